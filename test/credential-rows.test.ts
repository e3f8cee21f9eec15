import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

/** Of the table of bad credentials: tokens, what OAuth and its relatives are attacked with, passkeys, typed codes. */
const numbered = (letter: string, last: number): string[] =>
  Array.from({ length: last }, (_, i) => `${letter}${String(i + 1).padStart(2, '0')}`)
/** A client that is led to the wrong authorization server, and security event tokens: not in this table yet. */
const LATER = ['O16', 'O23']
const ROWS = [...numbered('J', 54), ...numbered('O', 23), ...numbered('W', 12), ...numbered('T', 2)].filter((id) => !LATER.includes(id))

const root = fileURLToPath(new URL('..', import.meta.url))
const folder = join(root, 'src/trust/identity')
const sources = [folder, join(root, 'test/house')].flatMap((from) =>
  readdirSync(from, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.test.ts'))
    .map((file) => readFileSync(join(from, file), 'utf8')),
)

const QUOTED = /(['"`])((?:\\.|(?!\1).)*)\1/.source
/** The name of a test, or the one that a list of cases ends with. */
const NAME = new RegExp(String.raw`(?:\bit\(|\]\)\(|\beach\(\w+\)\()\s*${QUOTED}`, 'g')
/** What a case of a list begins with, where the list's name begins with it. */
const CASE = new RegExp(String.raw`(?:\brow\(|^\s*\[)\s*${QUOTED}`, 'gm')
const BEGINS_WITH_CASE = /^(?:%s|\$id|\$\{id\})/

function names(source: string): string[] {
  const own = [...source.matchAll(NAME)].map(([, , name = '']) => name)
  const cases = own.some((name) => BEGINS_WITH_CASE.test(name)) ? [...source.matchAll(CASE)].map(([, , begin = '']) => begin) : []
  return [...own, ...cases]
}
const mentioned = (texts: readonly string[]): Set<string> =>
  new Set(texts.flatMap((text) => [...text.matchAll(/\b([JOWT]\d\d)[a-z]?\b/g)].map(([, id = '']) => id)))

describe('each row of the table of bad credentials (B8)', () => {
  it('is in the name of a test', () => {
    const found = mentioned(sources.flatMap(names))
    expect(ROWS.filter((id) => !found.has(id))).toEqual([])
  })

  it('of tokens and of OAuth is refused by a control that is disabled to see its test fail', () => {
    const controls = join(root, 'test/controls')
    const entries = readdirSync(controls)
      .filter((file) => file.endsWith('.json'))
      .flatMap((file) => JSON.parse(readFileSync(join(controls, file), 'utf8')) as { control: string; name: string }[])
    const found = mentioned(entries.flatMap(({ control, name }) => [control, name]))
    expect(ROWS.filter((id) => /^[JO]/.test(id) && !found.has(id))).toEqual([])
  })
})
