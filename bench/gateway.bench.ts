/** The gateway with all controls on, beside nothing, nginx and a bare pass-through; TLS on all sides, one upstream. */
import { parseArgs } from 'node:util'
import { startProcess } from './load.ts'
import { startNginx } from './nginx.ts'
import type { Benchmark, Row } from './row.ts'
import { cpuRow, type Kind, measure, onStage, ratioRow, type Results, type Side, type Stage, startMock, startOurs } from './sides.ts'

const FIRST_PORT = 8_530
const ROUNDS = 5
const JSON_TARGET = 1.5
const CHUNK_TARGET_US = 40

/** Starts the upstream and everything in front of it. */
async function startSides(stage: Stage, nodeOptions: readonly string[]): Promise<readonly Side[]> {
  const { folder, certificates, keep } = stage
  const { ca, key, cert, caPem } = certificates
  const mock = await startMock(stage)
  const upstream = mock.origin
  const bare = await keep(
    startProcess(new URL('pass-through.ts', import.meta.url), ['--upstream', upstream, '--key', key, '--cert', cert, '--ca', ca]),
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
    await startOurs(stage, { port: FIRST_PORT + 1, upstream, nodeOptions }),
  ]
}

function rows(results: Results, sides: readonly Side[], kinds: readonly Kind[]): Row[] {
  const compared = sides.some(({ name }) => name === 'redoubt') ? sides.filter(({ name }) => ['nginx', 'pass-through'].includes(name)) : []
  return kinds.flatMap((kind) => [
    ...sides.map(({ name }) => cpuRow(results, kind, name, kind !== 'json' && name === 'redoubt' ? CHUNK_TARGET_US : null)),
    ...compared.map(({ name }) => ratioRow(results, kind, name, kind === 'json' && name === 'pass-through' ? JSON_TARGET : null)),
  ])
}

function run(
  options: { rounds?: number; kinds?: readonly Kind[]; only?: readonly string[]; nodeOptions?: readonly string[] } = {},
): Promise<readonly Row[]> {
  const kinds = options.kinds ?? (['json', 'stream', 'paced'] as const)
  return onStage('gateway', async (stage) => {
    const all = await startSides(stage, options.nodeOptions ?? [])
    const sides = all.filter(({ name }) => options.only === undefined || options.only.includes(name))
    return rows(await measure(sides, kinds, options.rounds ?? ROUNDS), sides, kinds)
  })
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
