/** The gateway with all controls on, beside nothing, nginx and a bare pass-through; TLS on all sides, one upstream. */
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { startProcess } from './load.ts'
import { startNginx } from './nginx.ts'
import type { Benchmark, Row } from './row.ts'
import {
  cpuRow,
  type Kind,
  measure,
  onStage,
  ratioRow,
  type Results,
  type Side,
  type Stage,
  startMock,
  startOurs,
  takingPart,
} from './sides.ts'

const FIRST_PORT = 8_530
const ROUNDS = 5
const JSON_TARGET = 1.5
const CHUNK_TARGET_US = 40
/** Two durable records and strict reading, and nothing else; it does not stream. */
const LEAST = 'least with two records'
/** Another build of Redoubt, to see what a change does. */
const BEFORE = 'before'

/** Starts the upstream and everything in front of it. */
async function startSides(stage: Stage, nodeOptions: readonly string[], against?: string): Promise<readonly Side[]> {
  const { folder, certificates, keep } = stage
  const { ca, key, cert, caPem } = certificates
  const mock = await startMock(stage)
  const upstream = mock.origin
  const bare = await keep(
    startProcess(new URL('pass-through.ts', import.meta.url), ['--upstream', upstream, '--key', key, '--cert', cert, '--ca', ca]),
  )
  const least = await keep(
    startProcess(new URL('least-gateway.ts', import.meta.url), [
      '--upstream',
      upstream,
      '--key',
      key,
      '--cert',
      cert,
      '--ca',
      ca,
      '--log',
      join(folder, 'least-gateway.log'),
    ]),
  )
  const nginx = await keep(startNginx({ folder, port: FIRST_PORT, upstreamPort: Number(new URL(upstream).port), certificates }))
  const side = (name: string, port: number, pid: number): Side => ({
    name,
    origin: `https://localhost:${port}`,
    pid,
    ca: caPem,
    headers: {},
  })
  return [
    mock,
    side('nginx', nginx.port, nginx.pid),
    side('pass-through', bare.port, bare.pid),
    { ...side(LEAST, least.port, least.pid), kinds: ['json'] },
    ...(against === undefined
      ? []
      : [await startOurs(stage, { port: FIRST_PORT + 2, upstream, nodeOptions, name: BEFORE, checkout: against })]),
    await startOurs(stage, { port: FIRST_PORT + 1, upstream, nodeOptions }),
  ]
}

function rows(results: Results, sides: readonly Side[], kinds: readonly Kind[]): Row[] {
  const compared = sides.some(({ name }) => name === 'redoubt')
    ? sides.filter(({ name }) => ['nginx', 'pass-through', LEAST, BEFORE].includes(name))
    : []
  return kinds.flatMap((kind) => [
    ...takingPart(sides, kind).map(({ name }) =>
      cpuRow(results, kind, name, kind !== 'json' && name === 'redoubt' ? CHUNK_TARGET_US : null),
    ),
    ...takingPart(compared, kind).map(({ name }) =>
      ratioRow(results, kind, name, kind === 'json' && name === 'pass-through' ? JSON_TARGET : null),
    ),
  ])
}

function run(
  options: { rounds?: number; kinds?: readonly Kind[]; only?: readonly string[]; nodeOptions?: readonly string[]; against?: string } = {},
): Promise<readonly Row[]> {
  const kinds = options.kinds ?? (['json', 'stream', 'paced'] as const)
  return onStage('gateway', async (stage) => {
    const all = await startSides(stage, options.nodeOptions ?? [], options.against)
    const sides = all.filter(({ name }) => options.only === undefined || options.only.includes(name))
    return rows(await measure(sides, kinds, options.rounds ?? ROUNDS), sides, kinds)
  })
}

export const benchmark: Benchmark = { name: 'gateway', run: () => run() }

// `node bench/gateway.bench.ts [--rounds N] [--kind json] [--side redoubt] [--node='--cpu-prof …'] [--against CHECKOUT]`: for work on the hot path.
if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      rounds: { type: 'string' },
      kind: { type: 'string', multiple: true },
      side: { type: 'string', multiple: true },
      node: { type: 'string' },
      against: { type: 'string' },
    },
  })
  const figures = await run({
    ...(values.rounds === undefined ? {} : { rounds: Number(values.rounds) }),
    ...(values.kind === undefined ? {} : { kinds: values.kind as Kind[] }),
    ...(values.side === undefined ? {} : { only: values.side }),
    ...(values.against === undefined ? {} : { against: values.against }),
    ...(values.node === undefined ? {} : { nodeOptions: values.node.split(' ') }),
  })
  for (const { what, value, unit, target, note } of figures)
    console.log(`${what.padEnd(50)} ${value.toFixed(2).padStart(9)} ${unit.padEnd(9)} ${target ?? ''}\t${note ?? ''}`)
}
