import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))
const text = readFileSync(join(root, 'docs/threat-model.md'), 'utf8')
const claims = [...text.matchAll(/`([^`]+\.(?:test|system)\.ts)` › "([^"]+)"/g)].map(([, file, name]) => ({ file: file!, name: name! }))

describe('the threat model', () => {
  it('names a test for each control', () => {
    const rows = text.split('\n').filter((line) => /\| [A-F]\d/.test(line))
    expect(rows.length).toBeGreaterThan(25)
    expect(claims).toHaveLength(rows.length)
  })

  it.each(claims)('$file has a test “$name”', ({ file, name }) => {
    expect(existsSync(join(root, file))).toBe(true)
    expect(readFileSync(join(root, file), 'utf8')).toContain(name)
  })
})

describe('links between the documents', () => {
  it.each(['README.md', 'SECURITY.md', 'CHANGELOG.md', 'docs/architecture.md', 'docs/threat-model.md', 'docs/adr/README.md'])(
    'of %s lead somewhere',
    (document) => {
      const folder = join(root, document, '..')
      const links = [...readFileSync(join(root, document), 'utf8').matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)/g)].map(([, path]) => path!)
      for (const path of links) expect(existsSync(join(folder, path)), path).toBe(true)
    },
  )
})
