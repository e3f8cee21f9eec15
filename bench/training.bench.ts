import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { InferenceSession } from 'onnxruntime-node'
import { EVERY_ROW_WHOLE } from '#assets/datasets'
import { ALGORITHMS, train } from '#assets/training'
import { importText, memoryDatasets, readColumns, someUse } from '../test/evaluation/memory-datasets.ts'
import { toTensors } from '../test/evaluation/score-onnx.ts'
import type { Row } from './row.ts'

const ADULT = `${process.env['REDOUBT_SHARED'] ?? fileURLToPath(new URL('../../shared', import.meta.url))}/data/tabular/adult_train.csv`
const WARM_UP = 3000
const CALLS = 10_000
const BATCH = 1024
const BATCH_CALLS = 300

const quantile = (sorted: readonly number[], q: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))]!
const seconds = async <T>(work: () => Promise<T>): Promise<readonly [T, number]> => {
  const before = performance.now()
  const result = await work()
  return [result, (performance.now() - before) / 1000]
}

/** Microseconds of each call, sorted, tensors made anew for each as the server does. */
async function timeCalls(calls: number, warmUp: number, call: (i: number) => Promise<unknown>): Promise<number[]> {
  const times: number[] = []
  for (let i = 0; i < warmUp + calls; i++) {
    const before = process.hrtime.bigint()
    await call(i)
    if (i >= warmUp) times.push(Number(process.hrtime.bigint() - before) / 1000)
  }
  return times.sort((a, b) => a - b)
}

/** Import, training and single-row inference of the Adult census table (32,561 rows, 14 features), one core busy. */
export const benchmark = {
  name: 'training',
  async run(): Promise<readonly Row[]> {
    if (!existsSync(ADULT)) throw new Error(`the benchmark needs ${ADULT}`)
    const text = readFileSync(ADULT, 'utf8')
    const datasets = memoryDatasets()
    const rows: Row[] = []
    const [dataset, importSeconds] = await seconds(() => importText(datasets, 'adult', text))
    rows.push({
      what: 'data import, sealed in memory',
      value: dataset.rows / importSeconds,
      unit: 'rows/s',
      target: 10_000,
      comparator: '>=',
    })
    const columns = await readColumns(datasets, dataset)
    for (const algorithm of ALGORITHMS) {
      const [model, trainSeconds] = await seconds(() =>
        train({ dataset, groups: datasets.read(dataset, someUse, EVERY_ROW_WHOLE), algorithm, seed: 1 }),
      )
      const { epochs, fitRows, accuracy } = model.metrics
      rows.push({
        what: `train ${algorithm}`,
        value: trainSeconds,
        unit: 's',
        target: 20,
        comparator: '<=',
        note: `${epochs} epochs, held-out accuracy ${accuracy?.toFixed(4)}`,
      })
      rows.push({ what: `train ${algorithm}`, value: (epochs * fitRows) / trainSeconds, unit: 'rows/s', target: null, comparator: '>=' })

      const session = await InferenceSession.create(model.onnx, {
        intraOpNumThreads: 1,
        interOpNumThreads: 1,
        enableCpuMemArena: false,
        enableMemPattern: false,
      })
      const single = await timeCalls(CALLS, WARM_UP, (i) => session.run(toTensors(columns, session.inputNames, i, i + 1)))
      rows.push({
        what: `infer ${algorithm}, one row of 14 inputs, p50`,
        value: quantile(single, 0.5),
        unit: 'µs',
        target: 50,
        comparator: '<=',
      })
      rows.push({
        what: `infer ${algorithm}, one row of 14 inputs, p99`,
        value: quantile(single, 0.99),
        unit: 'µs',
        target: null,
        comparator: '<=',
      })
      const batch = await timeCalls(BATCH_CALLS, 20, (i) => session.run(toTensors(columns, session.inputNames, i, i + BATCH)))
      rows.push({
        what: `infer ${algorithm}, ${BATCH} rows, p50 a row`,
        value: quantile(batch, 0.5) / BATCH,
        unit: 'µs',
        target: null,
        comparator: '<=',
      })
      await session.release()
    }
    return rows
  },
}
