/** What is asked of each server that is compared, and how they take turns. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type BenchProcess, load, type LoadResult, startProcess } from './load.ts'
import { BENCH_POLICY, benchToken, build, startRedoubt } from './redoubt-server.ts'
import { median, type Row } from './row.ts'
import { type TestCertificates, testCertificates } from './test-certificates.ts'

const ROUND_MS = 2_000
/** Until the optimising compilers have seen everything. */
const WARM_UP_REQUESTS = { json: 15_000, stream: 500, paced: 200 } as const
const WARM_UP_MS = 1_000
const CONNECTIONS = 32
const STREAM_CHUNKS = 100
/** Streams that arrive as a model writes them: one chunk each 10 ms. */
const PACED_STREAMS = 48
const PACE_MS = 10

const sentence = 'The committee reviewed the quarterly report and found that most of the targets had been met. '
const messages = [
  { role: 'system', content: sentence.repeat(4) },
  { role: 'user', content: sentence.repeat(14) },
]
const ask = (more: object): string => JSON.stringify({ model: 'mock', messages, ...more })
export const KINDS = {
  json: { body: ask({}), connections: CONNECTIONS, units: 1 },
  stream: { body: ask({ stream: true }), connections: CONNECTIONS, units: STREAM_CHUNKS },
  paced: { body: ask({ stream: true, metadata: { paceMs: PACE_MS } }), connections: PACED_STREAMS, units: STREAM_CHUNKS },
} as const
export type Kind = keyof typeof KINDS

export interface Side {
  readonly name: string
  readonly origin: string
  readonly pid: number
  readonly ca: string
  readonly headers: Readonly<Record<string, string>>
  /** What it can be asked; everything unless given. */
  readonly kinds?: readonly Kind[]
}

/** The sides that can be asked this. */
export const takingPart = (sides: readonly Side[], kind: Kind): readonly Side[] =>
  sides.filter(({ kinds }) => kinds === undefined || kinds.includes(kind))

export type Results = Record<Kind, Record<string, LoadResult[]>>

/** Sides take turns in each round, so that what else runs on the machine meets all of them. */
export async function measure(sides: readonly Side[], kinds: readonly Kind[], rounds: number): Promise<Results> {
  const results: Results = { json: {}, stream: {}, paced: {} }
  for (let round = 0; round < rounds; round++) {
    for (const kind of kinds) {
      for (const { name, origin, pid, ca, headers } of takingPart(sides, kind)) {
        const { body, connections } = KINDS[kind]
        const result = await load({
          origin,
          path: '/v1/chat/completions',
          headers,
          body,
          ca,
          pid,
          connections,
          durationMs: ROUND_MS,
          warmUpMs: round > 0 ? 300 : WARM_UP_MS,
          warmUpRequests: round > 0 ? 0 : WARM_UP_REQUESTS[kind],
        })
        if (result.failures > 0 || result.requests === 0)
          throw new Error(`${name}: ${result.failures} of ${result.requests} ${kind} requests failed`)
        ;(results[kind][name] ??= []).push(result)
      }
    }
  }
  return results
}

interface Figure {
  readonly least: number
  readonly middle: number
}

function cpu(results: readonly LoadResult[], units: number): Figure {
  const each = results.map(({ cpuMicrosPerRequest }) => (cpuMicrosPerRequest ?? Number.NaN) / units)
  return { least: Math.min(...each), middle: median(each) }
}

const title: Readonly<Record<Kind, string>> = {
  json: 'JSON',
  stream: `SSE, ${STREAM_CHUNKS} chunks at once`,
  paced: `SSE, a chunk each ${PACE_MS} ms`,
}

/** CPU of one side for a request, or for a chunk of a stream: the least of all rounds. */
export function cpuRow(results: Results, kind: Kind, name: string, target: number | null): Row {
  const rates = results[kind][name] ?? []
  const { least, middle } = cpu(rates, KINDS[kind].units)
  const perSecond = median(rates.map(({ requestsPerSecond }) => requestsPerSecond))
  const p50 = median(rates.map(({ p50Ms }) => p50Ms))
  // On a busy machine the time for it ends first, and compilers are still at work in what is measured.
  const warmedBy = rates[0]?.warmedBy ?? 0
  const cold = warmedBy < WARM_UP_REQUESTS[kind] ? `; warmed up by ${warmedBy} of ${WARM_UP_REQUESTS[kind]} requests only` : ''
  return {
    what: `${title[kind]}: CPU, ${name}`,
    value: least,
    unit: kind === 'json' ? 'µs/req' : 'µs/chunk',
    target,
    comparator: '<=',
    note: `median ${middle.toFixed(1)}; ${Math.round(perSecond)} req/s, p50 ${p50.toFixed(1)} ms${cold}`,
  }
}

/** CPU of Redoubt over that of another side: the median of pairs, each of one round. */
export function ratioRow(results: Results, kind: Kind, name: string, target: number | null): Row {
  const ours = results[kind]['redoubt'] ?? []
  const theirs = results[kind][name] ?? []
  const ratios = ours.map((mine, i) => (mine.cpuMicrosPerRequest ?? Number.NaN) / (theirs[i]?.cpuMicrosPerRequest ?? Number.NaN))
  return {
    what: `${title[kind]}: CPU, redoubt / ${name}`,
    value: median(ratios),
    unit: '×',
    target,
    comparator: '<=',
    note: `${Math.min(...ratios).toFixed(2)} to ${Math.max(...ratios).toFixed(2)}; of the least ${(cpu(ours, 1).least / cpu(theirs, 1).least).toFixed(2)}`,
  }
}

type Stoppable = Pick<BenchProcess, 'stop'>

export interface Stage {
  /** Of this run alone; gone when it ends. */
  readonly folder: string
  readonly certificates: TestCertificates
  /** Ends what was started when the run ends, the last first. */
  readonly keep: <Started extends Stoppable>(starting: Promise<Started>) => Promise<Started>
}

/** Builds the server, and gives a run its folder and certificates; whatever happens, nothing that it started is left. */
export async function onStage<Result>(name: string, run: (stage: Stage) => Promise<Result>): Promise<Result> {
  build()
  const folder = mkdtempSync(join(tmpdir(), `redoubt-bench-${name}-`))
  const running: Stoppable[] = []
  try {
    return await run({
      folder,
      certificates: await testCertificates(folder),
      async keep(starting) {
        const started = await starting
        running.push(started)
        return started
      },
    })
  } finally {
    for (const each of running.reverse()) await each.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}

/** The model that all sides stand in front of. */
export async function startMock({ certificates: { key, cert, caPem }, keep }: Stage): Promise<Side> {
  const { port, pid } = await keep(startProcess(new URL('mock-upstream.ts', import.meta.url), ['--key', key, '--cert', cert]))
  return { name: 'direct', origin: `https://localhost:${port}`, pid, ca: caPem, headers: {} }
}

/** Redoubt with everything on, in front of one upstream. */
export async function startOurs(
  stage: Stage,
  options: { port: number; upstream: string; nodeOptions?: readonly string[]; name?: string; checkout?: string },
): Promise<Side> {
  const { port, upstream, nodeOptions = [], name = 'redoubt', checkout } = options
  const folder = join(stage.folder, name)
  const config = configure(folder, upstream, stage.certificates.ca)
  const redoubt = await stage.keep(startRedoubt({ folder, port, config, nodeOptions, ...(checkout === undefined ? {} : { checkout }) }))
  const authorization = `Bearer ${benchToken(redoubt, 'benchmark')}`
  return { name, origin: `https://localhost:${port}`, pid: redoubt.pid, ca: redoubt.caPem, headers: { authorization } }
}

function configure(folder: string, upstream: string, ca: string): string {
  mkdirSync(join(folder, 'policies'), { recursive: true })
  writeFileSync(join(folder, 'policies/bench.cedar'), BENCH_POLICY)
  const file = join(folder, 'redoubt.yaml')
  writeFileSync(
    file,
    `policies: ${join(folder, 'policies')}
chat:
  upstreams:
    mock: { baseUrl: '${upstream}/v1', ca: 'file:${ca}' }
  models:
    mock: { upstream: mock, model: mock-1 }
`,
  )
  return file
}
