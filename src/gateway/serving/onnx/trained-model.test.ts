import { afterAll, beforeAll, expect, it } from 'vitest'
import { systemClock } from '#foundation/core'
import { silentLogger } from '#foundation/telemetry'
import type { DatasetVersion, RowGroup } from '#assets/datasets'
import { train } from '#assets/training'
import { ask, memoryRegistry, USE } from '../../../../test/fixtures/memory-registry.ts'
import { createModelServer, type InferTensor } from '../index.ts'

const ROWS = 600
const jobs = ['clerk', 'nurse', 'Bäcker:in', null]
const at = <T>(value: (i: number) => T): T[] => Array.from({ length: ROWS }, (_, i) => value(i))
const age = at((i) => (i % 13 === 0 ? null : 18 + ((i * 7) % 60)))
const income = at((i) => (i % 11 === 0 ? null : Math.fround(1000 + ((i * 37) % 400) * 2.5)))
const job = at((i) => jobs[(i * 5) % 4] ?? null)
const label = at((i) => ((age[i] ?? 47) > 47 ? 1 : 0))

const dataset: DatasetVersion = {
  id: 'ds_1',
  name: 'made-up',
  version: 1,
  digest: '0'.repeat(64),
  rows: ROWS,
  bytes: 0,
  columns: (['age', 'income', 'job', 'label'] as const).map((name) => ({
    name,
    type: name === 'job' ? 'text' : name === 'income' ? 'real' : 'integer',
    nullable: name !== 'label',
  })),
  label: 'label',
  subject: null,
  sensitivity: 'restricted',
  purposes: ['credit-scoring'],
  legalBasis: 'contract',
  createdAt: 0,
  groups: 1,
  erasures: 0,
}

async function* groups(): AsyncGenerator<RowGroup> {
  const numbers = (name: string, type: 'integer' | 'real', values: readonly (number | null)[]) => ({
    name,
    type,
    values: Float64Array.from(values, (value) => value ?? Number.NaN),
  })
  yield {
    rows: ROWS,
    columns: [
      numbers('age', 'integer', age),
      numbers('income', 'real', income),
      { name: 'job', type: 'text', values: job },
      numbers('label', 'integer', label),
    ],
  }
}

let world: Awaited<ReturnType<typeof memoryRegistry>>
const server = createModelServer({ clock: systemClock, logger: silentLogger })
beforeAll(async () => {
  world = await memoryRegistry()
})
afterAll(async () => {
  server.close()
  await world.close()
})

it('serves what was trained here: registered, signed, deployed, null in every kind of column, rows as they are in the table (C10, C11)', async () => {
  const trained = await train({ dataset, groups: groups(), algorithm: 'logistic', seed: 7 })
  const lineage = {
    ...ask(trained.onnx).lineage,
    codeDigest: trained.codeDigest,
    parameters: trained.parameters,
    metrics: { ...trained.metrics },
  }
  const version = await world.registry.register(ask(trained.onnx, { name: 'made-up', lineage }))
  expect(version.inputs).toEqual(trained.inputs)
  expect(version.outputs).toEqual(trained.outputs)
  await world.registry.deploy('made-up', null, USE.principal, { stage: (model) => server.stage(model) })
  const model = server.get('made-up')
  const inputs: InferTensor[] = [
    { name: 'age', datatype: 'INT64', shape: [ROWS, 1], data: age },
    { name: 'income', datatype: 'FP32', shape: [ROWS, 1], data: income },
    { name: 'job', datatype: 'BYTES', shape: [ROWS, 1], data: job },
  ]
  const [labels, probabilities] = (await model?.infer(inputs, ROWS)) ?? []
  expect(labels?.shape).toEqual([ROWS, 1])
  const hits = Array.from(labels?.data as BigInt64Array, Number).filter((value, i) => value === label[i]).length
  expect(hits / ROWS).toBeGreaterThan(0.85)
  for (const p of Array.from((probabilities?.data ?? []) as Float32Array)) expect(p >= 0 && p <= 1).toBe(true)
})

it('serves a column that is called as no member of an object may be (C10)', async () => {
  const named = (name: string): string => (name === 'income' ? '__proto__' : name)
  const renamed = { ...dataset, columns: dataset.columns.map((column) => ({ ...column, name: named(column.name) })) }
  async function* renamedGroups(): AsyncGenerator<RowGroup> {
    for await (const { rows, columns } of groups())
      yield { rows, columns: columns.map((column) => ({ ...column, name: named(column.name) })) }
  }
  const trained = await train({ dataset: renamed, groups: renamedGroups(), algorithm: 'logistic', seed: 7 })
  const lineage = { ...ask(trained.onnx).lineage, codeDigest: trained.codeDigest, parameters: trained.parameters }
  await world.registry.register(ask(trained.onnx, { name: 'named', lineage }))
  await world.registry.deploy('named', null, USE.principal, { stage: (model) => server.stage(model) })
  const inputs: InferTensor[] = [
    { name: 'age', datatype: 'INT64', shape: [1, 1], data: [41] },
    { name: '__proto__', datatype: 'FP32', shape: [1, 1], data: [1_250.5] },
    { name: 'job', datatype: 'BYTES', shape: [1, 1], data: ['nurse'] },
  ]
  const [labels] = (await server.get('named')?.infer(inputs, 1)) ?? []
  expect(labels?.shape).toEqual([1, 1])
})
