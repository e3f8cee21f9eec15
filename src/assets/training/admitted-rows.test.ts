import { expect, it } from 'vitest'
import type { RowCells } from '#foundation/core'
import { type Datasets, EVERY_ROW_WHOLE, type RowAccess } from '#assets/datasets'
import { importText, memoryDatasets, someUse } from '../../../test/evaluation/memory-datasets.ts'
import { train } from './train.ts'

/** Rows of a closed region, alone in holding the word that is looked for. */
const ROWS = Array.from({ length: 600 }, (_, n) => {
  const closed = n % 4 === 0
  return `${closed ? 'closed' : 'open'},${closed ? 'CANARYWORD' : ['clerk', 'nurse'][n % 2]},${n % 50},${n % 3 === 0 ? 1 : 0}`
})
const openOnly: RowAccess = {
  action: 'trainOn',
  masks: {},
  rows: {
    digest: 'c'.repeat(64),
    columns: [{ name: 'region', type: 'text' }],
    admits: (row: RowCells) => row.text('region') === 'open',
  },
}

async function trained(datasets: Datasets, access: RowAccess) {
  const dataset = await importText(datasets, 'people', `region,job,age,label\n${ROWS.join('\n')}\n`)
  const groups = datasets.read(dataset, someUse, access)
  const model = await train({ dataset, groups, algorithm: 'logistic', seed: 1 })
  return { model, tally: groups.tally }
}

it('a row that a policy keeps back teaches a model nothing, not so much as a word (B2)', async () => {
  const whole = await trained(memoryDatasets(), EVERY_ROW_WHOLE)
  expect(Buffer.from(whole.model.onnx).includes('CANARYWORD')).toBe(true)
  const { model, tally } = await trained(memoryDatasets(), openOnly)
  expect(Buffer.from(model.onnx).includes('CANARYWORD')).toBe(false)
  expect(Buffer.from(model.onnx).includes('nurse')).toBe(true)
  expect(tally).toEqual({ read: 600, admitted: 450, failed: 0 })
  expect(model.metrics.fitRows + model.metrics.heldOutRows).toBeLessThanOrEqual(450)
})

it('a training on no row is refused (B2)', async () => {
  const none = { ...openOnly, rows: { ...openOnly.rows!, admits: () => false } }
  await expect(trained(memoryDatasets(), none)).rejects.toMatchObject({ code: 'ERR_TRAINING_LABEL' })
})
