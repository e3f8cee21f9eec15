import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openCountries } from './country-file.ts'
import { mmdb } from './mmdb.fixtures.ts'

let folder: string
beforeAll(() => (folder = mkdtempSync(join(tmpdir(), 'redoubt-country-'))))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const WHOLE = mmdb([
  ['203.0.113.0', 24, { country: { iso_code: 'NO' }, registered_country: { iso_code: 'SE' } }],
  ['198.51.100.0', 25, { registered_country: { iso_code: 'CH' } }],
  ['198.51.100.128', 25, { country: 'FR' }],
  ['192.0.2.0', 24, { country: { iso_code: 'nowhere' } }],
  ['2001:db8::', 32, { country: { iso_code: 'JP' } }],
])

const written = (name: string, bytes: Uint8Array): string => {
  const path = join(folder, name)
  writeFileSync(path, bytes)
  return path
}

describe('the country of an address (B7)', () => {
  it('is what the operator’s file says', async () => {
    const countries = await openCountries(written('whole.mmdb', WHOLE))
    expect(['203.0.113.5', '198.51.100.9', '198.51.100.200', '2001:db8::7'].map((address) => countries.of(address))).toEqual([
      'NO',
      'CH',
      'FR',
      'JP',
    ])
    expect(countries.file).toEqual({ type: 'Test-Country', builtAt: 1_767_225_600_000 })
  })

  it('is empty where the file says nothing, or nothing that is a country', async () => {
    const countries = await openCountries(written('whole.mmdb', WHOLE))
    expect(['10.0.0.1', '192.0.2.1', '2001:db9::1', 'nonsense', ''].map((address) => countries.of(address))).toEqual(['', '', '', '', ''])
  })

  it('is empty without a file', async () => {
    const countries = await openCountries(undefined)
    expect([countries.of('203.0.113.5'), countries.file]).toEqual(['', null])
  })

  it.each([
    ['absent', () => join(folder, 'absent.mmdb')],
    ['no such file format', () => written('text.mmdb', Buffer.from('country,NO\n'.repeat(100)))],
    ['empty', () => written('empty.mmdb', Buffer.alloc(0))],
    ['without its tree', () => written('cut.mmdb', WHOLE.subarray(-120))],
    [
      'without the size of its tree',
      () => written('sizeless.mmdb', Buffer.from(WHOLE.toString('latin1').replace('node_count', 'mode_count'), 'latin1')),
    ],
    ['a folder', () => folder],
  ])('is not guessed when the file is %s: nothing starts', async (_, path) => {
    await expect(openCountries(path())).rejects.toMatchObject({
      code: 'ERR_CONFIG_INVALID',
      message: expect.stringContaining('conditions.countryFile'),
    })
  })

  it('is not read from a file without bound', async () => {
    const path = written('large.mmdb', WHOLE)
    truncateSync(path, 257 * 1024 * 1024)
    await expect(openCountries(path)).rejects.toMatchObject({ message: expect.stringContaining('exceeds') })
  })

  it('is empty, and nothing else, for a damaged record', async () => {
    for (let at = 0; at < WHOLE.length; at += 7) {
      const damaged = Buffer.from(WHOLE)
      damaged[at] = damaged[at]! ^ 0xff
      const countries = await openCountries(written('damaged.mmdb', damaged)).catch(() => null)
      for (const address of ['203.0.113.5', '2001:db8::7']) expect(countries?.of(address) ?? '').toMatch(/^([A-Z]{2})?$/)
    }
  })
})
