import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { readSiteFilters } from './read-site-filters.ts'

it('refuses the start for a file of recognisers that is missing or bad, and says where (C6)', () => {
  const folder = mkdtempSync(join(tmpdir(), 'redoubt-site-'))
  try {
    const path = join(folder, 'own.yaml')
    const refused = (message: RegExp): void =>
      expect(() => readSiteFilters({ recognisers: [path], exempt: [] })).toThrow(
        expect.objectContaining({ code: 'ERR_FILTER_RECOGNISER', message: expect.stringMatching(message) as string }),
      )
    refused(/own\.yaml` cannot be read/)
    writeFileSync(path, 'recognisers:\n  - id: a\n    entity: A_B\n    pattern: a+\n    score: 1\n')
    refused(/own\.yaml, line 2, a`: .*\+/)
    writeFileSync(path, 'recognisers:\n  - id: a\n    entity: A_B\n    pattern: A\\d{4}\n    score: 1\n')
    expect(readSiteFilters({ recognisers: [path], exempt: ['A0000'] }).site).toMatchObject({ own: [{ entities: ['A_B'] }] })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})
