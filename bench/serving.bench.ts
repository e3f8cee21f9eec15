import { performance } from 'node:perf_hooks'
import { systemClock } from '../src/foundation/core/index.ts'
import { silentLogger } from '../src/foundation/telemetry/index.ts'
import { createModelServer, type InferTensor, type ServedModel } from '../src/gateway/serving/index.ts'
import { ADULT_NUMBERS, ADULT_TEXTS, adultLike } from '../test/fixtures/onnx-models.ts'
import { ask, memoryRegistry, USE } from '../test/fixtures/memory-registry.ts'
import type { Row } from './row.ts'

const SINGLE_CALLS = 4_000
const BATCH_CALLS = 60
const BATCH_ROWS = 1_000
const WARM_UP = 300

function rowsOf(rows: number): readonly InferTensor[] {
  const each = <T>(value: (row: number) => T): T[] => Array.from({ length: rows }, (_, row) => value(row))
  return [
    ...ADULT_NUMBERS.map((name, i): InferTensor => ({
      name,
      datatype: 'INT64',
      shape: [rows, 1],
      data: each((row) => 10 + i + (row % 60)),
    })),
    ...ADULT_TEXTS.map((name, i): InferTensor => ({
      name,
      datatype: 'BYTES',
      shape: [rows, 1],
      data: each((row) => `${name}-${(row + i) % 10}`),
    })),
  ]
}

/** Microseconds, sorted. */
async function times(model: ServedModel, inputs: readonly InferTensor[], rows: number, calls: number): Promise<readonly number[]> {
  for (let i = 0; i < Math.min(WARM_UP, calls); i++) await model.infer(inputs, rows)
  const taken: number[] = []
  for (let i = 0; i < calls; i++) {
    const start = performance.now()
    await model.infer(inputs, rows)
    taken.push((performance.now() - start) * 1000)
  }
  return taken.sort((a, b) => a - b)
}

const at = (sorted: readonly number[], share: number): number => sorted[Math.floor((sorted.length - 1) * share)] ?? Number.NaN

/** One Adult-like row (6 integers, 8 texts) and 1,000 of them through a 64-32-1 network, beside the keys and in a process without. */
export const benchmark = {
  name: 'serving',
  async run(): Promise<readonly Row[]> {
    const world = await memoryRegistry()
    const server = createModelServer({ clock: systemClock, logger: silentLogger })
    const rows: Row[] = []
    try {
      for (const foreign of [false, true]) {
        const version = await world.registry.register(ask(adultLike(), { name: foreign ? 'foreign' : 'own', foreign }))
        const model = await server.load(await world.registry.openVerified(version, USE))
        const where = foreign ? 'in a process without keys' : 'in process'
        const single = await times(model, rowsOf(1), 1, SINGLE_CALLS)
        const batch = await times(model, rowsOf(BATCH_ROWS), BATCH_ROWS, BATCH_CALLS)
        rows.push(
          { what: `one row ${where}, p50`, value: at(single, 0.5), unit: 'µs', target: foreign ? null : 50, comparator: '<=' },
          { what: `one row ${where}, p99`, value: at(single, 0.99), unit: 'µs', target: null, comparator: '<=' },
          { what: `${BATCH_ROWS} rows ${where}, p50`, value: at(batch, 0.5), unit: 'µs', target: null, comparator: '<=' },
          { what: `a row of ${BATCH_ROWS} ${where}, p50`, value: at(batch, 0.5) / BATCH_ROWS, unit: 'µs', target: null, comparator: '<=' },
        )
      }
      const [own = Number.NaN, other = Number.NaN] = ['in process', 'in a process without keys'].map(
        (where) => rows.find(({ what }) => what === `one row ${where}, p50`)?.value,
      )
      rows.push({ what: 'one row, process without keys against in process', value: other / own, unit: '×', target: null, comparator: '<=' })
    } finally {
      server.close()
      await world.close()
    }
    return rows
  },
}
