/** Transforms by the command line: from a file in YAML to a data set that says what it was made of (A9). */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type House, openHouse } from './house.fixture.ts'
import { runRedoubt } from './run-redoubt.fixture.ts'

const CSV = 'who,ward,age\np-1,closed,33\np-2,open,47\np-3,open,12\n'
const YAML = `from: visits
steps:
  - filter: ward = "open"
  - derive:
      adult: if(age >= 18, 1, 0)
  - select: [who, adult]
to:
  dataset: adults
`
const folder = mkdtempSync(join(tmpdir(), 'redoubt-transform-commands-'))
const at = (name: string): string => join(folder, name)

let house: House

beforeAll(async () => {
  house = await openHouse()
  writeFileSync(at('visits.csv'), CSV)
  const facts = ['--sensitivity', 'confidential', '--purpose', 'credit-scoring', '--legal-basis', 'contract', '--subject', 'who']
  const imported = await runRedoubt(house, ['data', 'import', at('visits.csv'), '--name', 'visits', ...facts])
  expect(imported.code, imported.err).toBe(0)
}, 60_000)
afterAll(async () => {
  await house.close()
  rmSync(folder, { recursive: true, force: true })
})

describe('transforms by the command line (A9)', () => {
  it('are checked, saved and run from a file in YAML, and their data set says what it was made of', { timeout: 30_000 }, async () => {
    writeFileSync(at('adults.yaml'), YAML)
    const checked = await runRedoubt(house, ['transform', 'check', at('adults.yaml')])
    expect(checked, checked.err).toMatchObject({ code: 0 })
    expect(checked.out).toMatch(/rows are about +who\n/)
    expect((await runRedoubt(house, ['transform', 'save', 'adults', at('adults.yaml')])).code).toBe(0)
    const ran = await runRedoubt(house, ['transform', 'run', 'adults', '--json'])
    expect(ran, ran.err).toMatchObject({ code: 0 })
    expect(JSON.parse(ran.out)).toMatchObject({ name: 'adults', version: 1, rows: 2, sensitivity: 'confidential', subject: 'who' })
    const shown = await runRedoubt(house, ['data', 'show', 'adults'])
    expect(shown.out).toMatch(/made by +transform adults, version 1 \([0-9a-f]{64}\)\n/)
    expect(shown.out).toMatch(/made of +visits, version 1 \([0-9a-f]{64}\)\n/)
    expect(shown.out).toMatch(/adult +[a-z]+/)
    const source = await runRedoubt(house, ['data', 'show', 'visits', '--json'])
    expect(JSON.parse(source.out)).toMatchObject({ name: 'visits', rows: 3, derivedFrom: null })
  })

  it.each([
    ['a fault of the file', 'from: visits\nsteps: [\n', 'ERR_USAGE'],
    ['a column that is not there', YAML.replace('(age', '(agee'), 'there is no column `agee`'],
    ['a member that is not understood', `${YAML}  owner: me\n`, 'ERR_INPUT_INVALID'],
    ['a file that names itself by an anchor without end', 'from: &a [*a]\n', 'ERR_'],
  ])('say where it is: %s', async (_what, text, words) => {
    writeFileSync(at('bad.yaml'), text)
    const { code, out, err } = await runRedoubt(house, ['transform', 'check', at('bad.yaml')])
    expect(code).not.toBe(0)
    expect(out).toBe('')
    expect(err).toContain(words)
    expect(err).not.toContain('    at ')
  })
})
