import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { mayImport } from '../scripts/import-table.ts'

const root = fileURLToPath(new URL('..', import.meta.url))

/** Imports at run time that the table does not allow: the linter sees those at the top of a file alone. */
function strangersIn(file: string, text: string): readonly string[] {
  const [, floor, room] = file.split('/')
  const from = `${floor}/${room}`
  // Methods may be called `import` as well.
  return [...text.matchAll(/\bimport\(\s*'([^']*)'|(?:\b(?:await|return)|=>|[=(,:?])\s*import\(\s*[^'\s]/g)]
    .filter(([, name]) => {
      if (name === undefined) return true
      if (name.startsWith('#')) return mayImport[from]?.some((room) => name === `#${room}`) !== true
      return name.startsWith('.') && !join(dirname(file), name).startsWith(`src/${from}/`)
    })
    .map(([all]) => `${file}: ${all})`)
}

describe('imports at run time', () => {
  const files = Object.keys(mayImport).flatMap((room) =>
    readdirSync(join(root, 'src', room), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts') && !/\.(?:test|system)\.ts$/.test(file))
      .map((file) => `src/${room}/${file}`),
  )

  it('obey the table too', () => {
    const found = files.map((file) => [file, readFileSync(join(root, file), 'utf8')] as const)
    expect(found.filter(([, text]) => text.includes("await import('#")).length).toBeGreaterThan(5)
    expect(found.flatMap(([file, text]) => strangersIn(file, text))).toEqual([])
  })

  it.each([
    ['upward', "await import('#gateway/pipeline')"],
    ['past the door by name', "await import('#foundation/core/errors.ts')"],
    ['past the door by path', "await import('../keys/keyring.ts')"],
    ['a composition root', "await import('../../composition/compose.ts')"],
    ['what only the run tells', 'await import(name)'],
  ])('are refused: %s', (_, text) => {
    expect(strangersIn('src/trust/audit/seed.ts', text)).toHaveLength(1)
  })

  it.each(["await import('#foundation/core')", "await import('./log.ts')", "await import('nodemailer')"])('are let through: %s', (text) => {
    expect(strangersIn('src/trust/audit/seed.ts', text)).toEqual([])
  })
})
