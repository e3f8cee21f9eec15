import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { accuracy, asCsv, type Cells, readCells, ServedHouse } from './served-model.ts'

const folder = `${process.env['REDOUBT_SHARED'] ?? fileURLToPath(new URL('../../../shared', import.meta.url))}/data/tabular`

function readTable(name: string): Cells {
  const path = join(folder, `${name}.csv`)
  if (!existsSync(path)) throw new Error(`this test needs ${path}`)
  return readCells(readFileSync(path, 'utf8'))
}

/** A table that nobody prepared: other types, a subject, missing values in numbers and texts, a rare category, label names of its own. */
function madeUp(): Cells {
  let state = 20_260_101
  const random = (): number => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647
  const wards = ['north', 'south', 'surgical', '']
  const rows = Array.from({ length: 3_000 }, (_, i) => {
    const ward = random() < 0.002 ? 'isolation' : wards[Math.floor(random() * wards.length)]!
    const dose = random() < 0.1 ? '' : (random() * 12).toFixed(3)
    const visits = Math.floor(random() * 9)
    const score = visits / 2 - Number(dose || 6) / 2 + (ward === 'surgical' ? 2 : 0) + (random() - 0.5)
    return [`patient-${i}`, ward, dose, String(visits), score > 0 ? '1' : '0']
  })
  return { header: ['patient', 'ward', 'dose_mg', 'visits', 'readmitted'], rows }
}

describe('the same commands on any table (C10, B7)', () => {
  const house = new ServedHouse()
  beforeAll(async () => {
    await house.start()
    house.actAs('scorer', 'research')
  })
  afterAll(() => house.close())

  const tables = [
    // Above the share of the majority class: .700, .779; the made-up rule is learnable.
    { name: 'german-credit', cells: () => readTable('german_credit'), label: 'label', subject: null, floor: 0.7 },
    { name: 'taiwan-default', cells: () => readTable('taiwan_default'), label: 'label', subject: null, floor: 0.8 },
    { name: 'made-up', cells: madeUp, label: 'readmitted', subject: 'patient', floor: 0.85 },
  ]
  const cases = tables.flatMap((table) => (['logistic', 'mlp'] as const).map((algorithm) => ({ ...table, algorithm })))
  const imported = new Set<string>()

  it.each(cases)('imports, trains, deploys and scores $name with $algorithm', async ({ name, cells, label, subject, floor, algorithm }) => {
    const { header, rows } = cells()
    const unseen = { header, rows: rows.filter((_, i) => i % 5 === 0) }
    if (!imported.has(name)) {
      const file = join(house.folder, `${name}.csv`)
      writeFileSync(file, asCsv({ header, rows: rows.filter((_, i) => i % 5 !== 0) }))
      const person = subject === null ? [] : ['--subject', subject]
      const facts = ['--label', label, '--sensitivity', 'restricted', '--purpose', 'research', '--legal-basis', 'contract', ...person]
      house.command('data', 'import', file, '--name', name, ...facts)
      imported.add(name)
    }
    const model = `${name}-${algorithm}`
    house.command('model', 'train', '--dataset', name, '--algorithm', algorithm, '--name', model)
    house.command('model', 'deploy', model)
    const value = accuracy(await house.infer(model, unseen), unseen, label)
    console.log(`${model}: ${value.toFixed(4)} of ${unseen.rows.length}`)
    expect(value).toBeGreaterThanOrEqual(floor)
  })
})
