import { readdirSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { RedoubtError } from '#foundation/core'
import type { DatasetVersion, RowGroup } from '#assets/datasets'
import { scoreOnnx } from '../../../test/evaluation/score-onnx.ts'
import { codeDigest, TRAINING_MODULES } from './code-digest.ts'
import { fit, predict } from './fit.ts'
import { ALGORITHMS, HYPER_PARAMETERS } from './hyper-parameters.ts'
import { METADATA_KEY, NULL_ENCODING } from './null-encoding.ts'
import { writeModel } from './onnx-model.ts'
import { type Random, seededRandom } from './random.ts'
import { collectTable } from './table.ts'
import { train } from './train.ts'

type Columns = RowGroup['columns']
type Column = Columns[number]

const numbers = (name: string, type: 'integer' | 'real', values: readonly (number | null)[]): Column => ({
  name,
  type,
  values: Float64Array.from(values, (value) => value ?? Number.NaN),
})
const texts = (name: string, values: readonly (string | null)[]): Column => ({ name, type: 'text', values })
const make = <T>(rows: number, value: (i: number) => T): T[] => Array.from({ length: rows }, (_, i) => value(i))

function version(columns: Columns, rows: number, subject: string | null = null): DatasetVersion {
  return {
    id: 'ds_test',
    name: 'made-up',
    version: 1,
    digest: '0'.repeat(64),
    rows,
    bytes: 0,
    columns: columns.map(({ name, type }) => ({ name, type, nullable: true })),
    label: 'label',
    subject,
    sensitivity: 'restricted',
    purposes: ['testing'],
    legalBasis: 'contract',
    createdAt: 0,
    groups: 1,
    erasures: 0,
  }
}

async function* inGroups(columns: Columns, rows: number, size = 1000): AsyncGenerator<RowGroup> {
  for (let from = 0; from < rows; from += size) {
    const to = Math.min(rows, from + size)
    yield {
      rows: to - from,
      columns: columns.map((column) =>
        column.type === 'text'
          ? { ...column, values: column.values.slice(from, to) }
          : { ...column, values: column.values.slice(from, to) },
      ),
    }
  }
}

/** A table of every kind of column, in which the label follows some of them. */
function mixed(rows: number, random: Random): Columns {
  const age = make(rows, () => 18 + random.below(60))
  const income = make(rows, () => Math.fround(Math.exp(8 + random.normal())))
  const job = make(rows, () => ['clerk', 'nurse', 'Bäcker:in', 'a,b"c', '数据'][random.below(5)]!)
  const label = make(rows, (i) =>
    random.next() < 1 / (1 + Math.exp(-(age[i]! - 45) / 6 - Math.log(income[i]! / 3000) - (job[i] === 'nurse' ? 2 : 0))) ? 1 : 0,
  )
  const hole = <T>(values: T[]): (T | null)[] => values.map((value) => (random.next() < 0.05 ? null : value))
  return [
    numbers('age', 'integer', hole(age)),
    numbers('income', 'real', hole(income)),
    texts('job', hole(job)),
    numbers('label', 'integer', label),
    numbers(
      'constant',
      'integer',
      make(rows, () => 7),
    ),
    texts(
      'always missing',
      make(rows, () => null),
    ),
    numbers(
      'no number at all',
      'real',
      make(rows, () => null),
    ),
    numbers(
      'big',
      'integer',
      make(rows, () => 1_700_000_000_000_000 + random.below(1000)),
    ),
    numbers(
      'half missing constant',
      'integer',
      make(rows, () => (random.next() < 0.5 ? null : 3)),
    ),
    texts(
      'id',
      make(rows, (i) => `id-${i}`),
    ),
    numbers(
      'v0',
      'real',
      make(rows, () => random.normal() * 1e30),
    ),
  ]
}

const tables: Record<string, (random: Random) => { columns: Columns; rows: number }> = {
  mixed: (random) => ({ columns: mixed(1500, random), rows: 1500 }),
  'one number': (random) => {
    const x = make(600, () => random.normal())
    return {
      rows: 600,
      columns: [
        numbers('x', 'real', x),
        numbers(
          'label',
          'integer',
          x.map((v) => (v > 0 ? 1 : 0)),
        ),
      ],
    }
  },
  'text only': (random) => {
    const t = make(600, () => 'abc'[random.below(3)]!)
    return {
      rows: 600,
      columns: [
        texts('t', t),
        texts(
          'u',
          t.map((v) => (random.next() < 0.5 ? v : null)),
        ),
        numbers(
          'label',
          'integer',
          t.map((v) => (v === 'a' ? 1 : 0)),
        ),
      ],
    }
  },
  'four rows': () => ({
    rows: 4,
    columns: [numbers('x', 'integer', [1, 2, 3, 4]), texts('t', ['a', 'a', 'b', null]), numbers('label', 'integer', [0, 0, 1, 1])],
  }),
  'nothing to learn from': (random) => ({
    rows: 300,
    columns: [
      numbers(
        'x',
        'integer',
        make(300, () => 1),
      ),
      texts(
        't',
        make(300, () => 'a'),
      ),
      numbers(
        'label',
        'real',
        make(300, () => random.below(2)),
      ),
    ],
  }),
  imbalanced: (random) => {
    const x = make(1500, () => random.next())
    return {
      rows: 1500,
      columns: [
        numbers('x', 'real', x),
        numbers(
          'label',
          'integer',
          x.map((v) => (v > 0.985 ? 1 : 0)),
        ),
      ],
    }
  },
}

describe('the model file', () => {
  for (const [name, build] of Object.entries(tables))
    for (const algorithm of ALGORITHMS)
      it(`gives the trainer's own probabilities on every row: ${name}, ${algorithm} (A1)`, async () => {
        const { columns, rows } = build(seededRandom(11))
        const table = await collectTable(version(columns, rows), inGroups(columns, rows))
        const model = fit(table, HYPER_PARAMETERS[algorithm], 5)
        const file = writeModel(table.columns, model.encoding, model.network, METADATA)
        const own = predict(model, table)
        const { probability, label } = await scoreOnnx(file, columns, rows, 512)
        const difference = own.reduce((most, p, i) => Math.max(most, Math.abs(p - probability[i]!)), 0)
        expect(difference).toBeLessThan(1e-5)
        expect([...label]).toEqual(Array.from(probability, (p) => (p >= 0.5 ? 1 : 0)))
      })

  it('takes values never seen: other text, missing where none was, infinite and extreme numbers (A1)', async () => {
    const { columns, rows } = tables['mixed']!(seededRandom(3))
    const table = await collectTable(version(columns, rows), inGroups(columns, rows))
    const model = fit(table, HYPER_PARAMETERS.mlp, 1)
    const file = writeModel(table.columns, model.encoding, model.network, METADATA)
    const strange = columns.map((column) => {
      if (column.type === 'text') return texts(column.name, ['never seen', null, '0:clerk', 'x'.repeat(10_000)])
      if (column.type === 'real') return numbers(column.name, 'real', [Infinity, -Infinity, 3e38, null])
      return numbers(column.name, 'integer', [2 ** 53 - 1, -(2 ** 53 - 1), 0, null])
    })
    const { probability } = await scoreOnnx(file, strange, 4)
    for (const p of probability) expect(p).toSatisfy((value: number) => value >= 0 && value <= 1)
  })

  it('treats text that it never saw as it treats rare text, and a missing number as in training (A1)', async () => {
    const rows = 1000
    const t = make(rows, (i) => (i % 2 === 0 ? 'common' : `rare-${i}`))
    const x = make(rows, (i) => (i % 4 === 0 ? null : i % 4))
    const label = make(rows, (i) => ((i % 2 === 1) !== (i % 4 === 0) ? 1 : 0))
    const columns = [texts('t', t), numbers('x', 'integer', x), numbers('label', 'integer', label)]
    const model = await train({ dataset: version(columns, rows), groups: inGroups(columns, rows), algorithm: 'mlp', seed: 1 })
    const ask = [texts('t', ['rare-1', 'never seen', 'common', 'common']), numbers('x', 'integer', [1, 1, null, 2])]
    const { probability } = await scoreOnnx(model.onnx, ask, 4)
    expect(probability[0]).toBe(probability[1])
    expect(probability[1]).toBeGreaterThan(0.9)
    expect(probability[2]).toBeGreaterThan(0.9)
    expect(probability[3]).toBeLessThan(0.1)
  })
})

const METADATA = {
  format: 1,
  algorithm: 'mlp',
  features: [],
  classes: [0, 1],
  nullEncoding: NULL_ENCODING,
  dataset: { name: 'x', version: 1, digest: '' },
  seed: 0,
} as const

describe('train', () => {
  it('trains in a thread, measures on rows kept out, and states inputs, parameters and code (A1)', async () => {
    const rows = 2500
    const columns = mixed(rows, seededRandom(7))
    const epochs: number[] = []
    const ask = { dataset: version(columns, rows), algorithm: 'logistic', seed: 42 } as const
    const model = await train({ ...ask, groups: inGroups(columns, rows), progress: (epoch) => epochs.push(epoch) })
    expect(model.metrics.accuracy).toBeGreaterThan(0.75)
    expect(model.metrics.auc).toBeGreaterThan(0.8)
    expect(model.metrics.heldOutRows).toBeGreaterThan(200)
    expect(epochs.length).toBe(model.metrics.epochs)
    expect(model.codeDigest).toBe(codeDigest())
    expect(model.parameters['seed']).toBe(42)
    expect(model.inputs.map((input) => `${input.name}:${input.datatype}`).slice(0, 3)).toEqual(['age:INT64', 'income:FP32', 'job:BYTES'])
    expect(model.inputs.map((input) => input.name)).not.toContain('label')
    const text = Buffer.from(model.onnx).toString('latin1')
    expect(text).toContain(METADATA_KEY)
    expect(text).toContain(JSON.stringify(NULL_ENCODING.INT64))
    const again = await train({ ...ask, groups: inGroups(columns, rows, 333) })
    expect(Buffer.from(again.onnx).equals(Buffer.from(model.onnx))).toBe(true)
    const other = await train({ ...ask, seed: 43, groups: inGroups(columns, rows) })
    expect(Buffer.from(other.onnx).equals(Buffer.from(model.onnx))).toBe(false)
  })

  it('takes hyper-parameters within bounds, says which, and learns from no column that is left out (B2)', async () => {
    const rows = 1500
    const columns = mixed(rows, seededRandom(7))
    const ask = { dataset: version(columns, rows), algorithm: 'mlp', seed: 3 } as const
    const choices = { hidden: [12, 9, 7, 5], learningRate: 0.01, maxEpochs: 4, patience: 4, heldOutShare: 0.3 }
    const model = await train({ ...ask, groups: inGroups(columns, rows), choices, leaveOut: ['job', 'id'] })
    expect(model.parameters).toMatchObject({ ...choices, weightDecay: HYPER_PARAMETERS.mlp.weightDecay, leftOut: 2 })
    expect(model.metrics.heldOutRows).toBeGreaterThan(rows * 0.25)
    const names = model.inputs.map((input) => input.name)
    expect([names.includes('age'), names.includes('job'), names.includes('id')]).toEqual([true, false, false])
    expect(Buffer.from(model.onnx).toString('latin1')).not.toContain('nurse')
    const features = columns.filter(({ name }) => names.includes(name))
    const { probability } = await scoreOnnx(model.onnx, features, rows)
    for (const p of probability) expect(p).toSatisfy((value: number) => value >= 0 && value <= 1)
    expect(new Set(probability).size).toBeGreaterThan(rows / 2)
    const plain = await train({ ...ask, groups: inGroups(columns, rows), leaveOut: ['job', 'id'] })
    expect(Buffer.from(plain.onnx).equals(Buffer.from(model.onnx))).toBe(false)
  })

  it.each([
    ['a rate of nothing', 'mlp', { learningRate: 0 }, 'ERR_INPUT_INVALID'],
    ['epochs without end', 'mlp', { maxEpochs: 201 }, 'ERR_INPUT_INVALID'],
    ['layers in a logistic regression', 'logistic', { hidden: [4] }, 'ERR_INPUT_INVALID'],
    ['what is not to be chosen', 'mlp', { minSteps: 1e9 }, 'ERR_INPUT_INVALID'],
  ] as const)('refuses %s', async (_, algorithm, choices, code) => {
    const columns = [numbers('x', 'integer', [1, 2, 3, 4]), numbers('label', 'integer', [0, 1, 0, 1])]
    const ask = { dataset: version(columns, 4), groups: inGroups(columns, 4), algorithm, seed: 1 }
    await expect(train({ ...ask, choices: choices as never })).rejects.toMatchObject({ code })
  })

  it.each([
    ['is not there', 'y', 'y'],
    ['is the label', 'label', 'label'],
  ])('refuses to leave out a column that %s, and to learn from nothing', async (_, name, column) => {
    const columns = [numbers('x', 'integer', [1, 2, 3, 4]), numbers('label', 'integer', [0, 1, 0, 1])]
    const ask = { dataset: version(columns, 4), algorithm: 'mlp', seed: 1 } as const
    const left = train({ ...ask, groups: inGroups(columns, 4), leaveOut: [name] })
    await expect(left).rejects.toMatchObject({ code: 'ERR_DATA_COLUMN', evidence: { column } })
    await expect(train({ ...ask, groups: inGroups(columns, 4), leaveOut: ['x'] })).rejects.toMatchObject({ code: 'ERR_DATA_COLUMN' })
  })

  it('never uses the subject column as a feature (A1)', async () => {
    const columns = [
      texts(
        'person',
        make(100, (i) => (i % 2 ? 'odd' : 'even')),
      ),
      numbers(
        'x',
        'integer',
        make(100, () => 1),
      ),
      numbers(
        'label',
        'integer',
        make(100, (i) => i % 2),
      ),
    ]
    const model = await train({ dataset: version(columns, 100, 'person'), groups: inGroups(columns, 100), algorithm: 'logistic', seed: 1 })
    expect(model.inputs.map((input) => input.name)).toEqual(['x'])
    expect(Buffer.from(model.onnx).toString('latin1')).not.toContain('odd')
  })

  it.each([
    ['three values', numbers('label', 'integer', [0, 1, 2, 1])],
    ['text', texts('label', ['yes', 'no', 'yes', 'no'])],
    ['a missing value', numbers('label', 'integer', [0, 1, null, 1])],
    ['one value', numbers('label', 'integer', [1, 1, 1, 1])],
  ])('refuses a label with %s', async (_, label) => {
    const columns = [numbers('x', 'integer', [1, 2, 3, 4]), label]
    await expect(train({ dataset: version(columns, 4), groups: inGroups(columns, 4), algorithm: 'mlp', seed: 1 })).rejects.toMatchObject({
      code: 'ERR_TRAINING_LABEL',
    })
  })

  it('refuses a feature that bears the name of an output', async () => {
    const columns = [numbers('probability', 'integer', [1, 2, 3, 4]), numbers('label', 'integer', [0, 1, 0, 1])]
    await expect(train({ dataset: version(columns, 4), groups: inGroups(columns, 4), algorithm: 'mlp', seed: 1 })).rejects.toMatchObject({
      code: 'ERR_DATA_COLUMN',
    })
  })

  it('stops when the signal fires', async () => {
    const columns = mixed(2500, seededRandom(7))
    const stop = new AbortController()
    const reason = new RedoubtError('ERR_DRAINING')
    const training = train({
      dataset: version(columns, 2500),
      groups: inGroups(columns, 2500),
      algorithm: 'mlp',
      seed: 1,
      signal: stop.signal,
      progress: () => stop.abort(reason),
    })
    await expect(training).rejects.toBe(reason)
  })

  it('digests every module of the room', () => {
    const modules = readdirSync(new URL('.', import.meta.url)).filter(
      (name) => name.endsWith('.ts') && !/\.(test|system)\.ts$/.test(name) && name !== 'index.ts',
    )
    expect([...TRAINING_MODULES].map((name) => `${name}.ts`)).toEqual(modules.sort())
  })
})
