/** The gateway with all controls on, beside nothing, nginx and a bare pass-through; TLS on all sides, one upstream. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { load, type LoadResult, startProcess } from './load.ts'
import { startNginx } from './nginx.ts'
import { BENCH_POLICY, benchToken, build, startRedoubt } from './redoubt-server.ts'
import { type Benchmark, median, type Row } from './row.ts'
import { testCertificates } from './test-certificates.ts'

const FIRST_PORT = 8_530
const ROUNDS = 5
const ROUND_MS = 2_000
/** Until the optimising compilers have seen everything. */
const WARM_UP_REQUESTS = { json: 15_000, stream: 500, paced: 200 } as const
const WARM_UP_MS = 1_000
const CONNECTIONS = 32
const STREAM_CHUNKS = 100
/** Streams that arrive as a model writes them: one chunk each 10 ms. */
const PACED_STREAMS = 48
const PACE_MS = 10
const JSON_TARGET = 1.5
const CHUNK_TARGET_US = 40

const sentence = 'The committee reviewed the quarterly report and found that most of the targets had been met. '
const messages = [
  { role: 'system', content: sentence.repeat(4) },
  { role: 'user', content: sentence.repeat(14) },
]
const ask = (more: object): string => JSON.stringify({ model: 'mock', messages, ...more })
const KINDS = {
  json: { body: ask({}), connections: CONNECTIONS, units: 1 },
  stream: { body: ask({ stream: true }), connections: CONNECTIONS, units: STREAM_CHUNKS },
  paced: { body: ask({ stream: true, metadata: { paceMs: PACE_MS } }), connections: PACED_STREAMS, units: STREAM_CHUNKS },
} as const
type Kind = keyof typeof KINDS

interface Side {
  readonly name: string
  readonly origin: string
  readonly pid: number
  readonly ca: string
  readonly headers: Readonly<Record<string, string>>
}

interface Sides {
  readonly sides: readonly Side[]
  stop(): Promise<void>
}

/** Starts the upstream and everything in front of it. */
async function startSides(folder: string, nodeOptions: readonly string[], only: readonly string[] | null): Promise<Sides> {
  const certificates = await testCertificates(folder)
  const { ca, key, cert, caPem } = certificates
  const running: { stop(): Promise<void> }[] = []
  const stop = async (): Promise<void> => {
    for (const each of running.reverse()) await each.stop()
  }
  try {
    const mock = await startProcess(new URL('mock-upstream.ts', import.meta.url), ['--key', key, '--cert', cert])
    running.push(mock)
    const upstream = `https://localhost:${mock.port}`
    const bare = await startProcess(new URL('pass-through.ts', import.meta.url), [
      '--upstream',
      upstream,
      '--key',
      key,
      '--cert',
      cert,
      '--ca',
      ca,
    ])
    running.push(bare)
    const nginx = await startNginx({ folder, port: FIRST_PORT, upstreamPort: mock.port, certificates })
    running.push(nginx)
    const redoubt = await startRedoubt({
      folder: join(folder, 'redoubt'),
      port: FIRST_PORT + 1,
      config: configure(join(folder, 'redoubt'), upstream, ca),
      nodeOptions,
    })
    running.push(redoubt)
    const authorization = `Bearer ${benchToken(redoubt, 'benchmark')}`
    const side = (name: string, port: number, pid: number, pem = caPem, headers = {}): Side => ({
      name,
      origin: `https://localhost:${port}`,
      pid,
      ca: pem,
      headers,
    })
    const sides = [
      side('direct', mock.port, mock.pid),
      side('nginx', nginx.port, nginx.pid),
      side('pass-through', bare.port, bare.pid),
      side('redoubt', redoubt.port, redoubt.pid, redoubt.caPem, { authorization }),
    ]
    return { sides: sides.filter(({ name }) => only === null || only.includes(name)), stop }
  } catch (thrown) {
    await stop()
    throw thrown
  }
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

type Results = Record<Kind, Record<string, LoadResult[]>>

/** Sides take turns in each round, so that what else runs on the machine meets all of them. */
async function measure(sides: readonly Side[], kinds: readonly Kind[], rounds: number): Promise<Results> {
  const results: Results = { json: {}, stream: {}, paced: {} }
  for (let round = 0; round < rounds; round++) {
    for (const kind of kinds) {
      for (const { name, origin, pid, ca, headers } of sides) {
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

function cpu(results: readonly LoadResult[] | undefined, units: number): Figure {
  const each = (results ?? []).map(({ cpuMicrosPerRequest }) => (cpuMicrosPerRequest ?? Number.NaN) / units)
  return { least: Math.min(...each), middle: median(each) }
}

function rows(results: Results, sides: readonly Side[], kinds: readonly Kind[]): Row[] {
  const all: Row[] = []
  const of = (kind: Kind, name: string): Figure => cpu(results[kind][name], KINDS[kind].units)
  const title = { json: 'JSON', stream: `SSE, ${STREAM_CHUNKS} chunks at once`, paced: `SSE, a chunk each ${PACE_MS} ms` }
  for (const kind of kinds) {
    const unit = kind === 'json' ? 'µs/req' : 'µs/chunk'
    for (const { name } of sides) {
      const { least, middle } = of(kind, name)
      const target = kind !== 'json' && name === 'redoubt' ? CHUNK_TARGET_US : null
      const rates = results[kind][name] ?? []
      const perSecond = median(rates.map(({ requestsPerSecond }) => requestsPerSecond))
      const p50 = median(rates.map(({ p50Ms }) => p50Ms))
      const note = `median ${middle.toFixed(1)}; ${Math.round(perSecond)} req/s, p50 ${p50.toFixed(1)} ms`
      all.push({ what: `${title[kind]}: CPU, ${name}`, value: least, unit, target, comparator: '<=', note })
    }
    for (const name of ['nginx', 'pass-through']) {
      const ours = results[kind]['redoubt'] ?? []
      const theirs = results[kind][name] ?? []
      if (ours.length === 0 || theirs.length === 0) continue
      const ratios = ours.map((mine, i) => (mine.cpuMicrosPerRequest ?? Number.NaN) / (theirs[i]?.cpuMicrosPerRequest ?? Number.NaN))
      all.push({
        what: `${title[kind]}: CPU, redoubt / ${name}`,
        value: median(ratios),
        unit: '×',
        target: kind === 'json' && name === 'pass-through' ? JSON_TARGET : null,
        comparator: '<=',
        note: `least ${(of(kind, 'redoubt').least / of(kind, name).least).toFixed(2)}`,
      })
    }
  }
  return all
}

async function run(
  options: { rounds?: number; kinds?: readonly Kind[]; only?: readonly string[]; nodeOptions?: readonly string[] } = {},
): Promise<readonly Row[]> {
  build()
  const folder = mkdtempSync(join(tmpdir(), 'redoubt-bench-gateway-'))
  try {
    const kinds = options.kinds ?? (['json', 'stream', 'paced'] as const)
    const all = await startSides(folder, options.nodeOptions ?? [], options.only ?? null)
    try {
      return rows(await measure(all.sides, kinds, options.rounds ?? ROUNDS), all.sides, kinds)
    } finally {
      await all.stop()
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

export const benchmark: Benchmark = { name: 'gateway', run: () => run() }

// `node bench/gateway.bench.ts [--rounds N] [--kind json] [--side redoubt] [--node='--cpu-prof …']`: for work on the hot path.
if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      rounds: { type: 'string' },
      kind: { type: 'string', multiple: true },
      side: { type: 'string', multiple: true },
      node: { type: 'string' },
    },
  })
  const figures = await run({
    ...(values.rounds === undefined ? {} : { rounds: Number(values.rounds) }),
    ...(values.kind === undefined ? {} : { kinds: values.kind as Kind[] }),
    ...(values.side === undefined ? {} : { only: values.side }),
    ...(values.node === undefined ? {} : { nodeOptions: values.node.split(' ') }),
  })
  for (const { what, value, unit, target, note } of figures)
    console.log(`${what.padEnd(50)} ${value.toFixed(2).padStart(9)} ${unit.padEnd(9)} ${target ?? ''}\t${note ?? ''}`)
}
