import { describe, expect, it } from 'vitest'
import { MAX_KEPT } from './vault.ts'
import { vaultWorld } from './vault.fixtures.ts'

const ACCOUNT = { type: 'ServiceAccount', id: 'app' }
const DAY_MS = 86_400_000
const USE = { principal: ACCOUNT, purpose: 'erasure', resource: { type: 'Key', id: 'subject' } }

describe('the vault (C6)', () => {
  it('gives a value back by its token alone, over a restart', async () => {
    const world = await vaultWorld()
    const call = await world.vault.open({ account: ACCOUNT, subject: null })
    const token = call.mint('EMAIL_ADDRESS', 'jane@example.com')!
    expect((await world.vault.restore([token])).values).toEqual([])
    call.commit()
    const restored = [{ token, entity: 'EMAIL_ADDRESS', value: 'jane@example.com' }]
    expect((await world.vault.restore([token])).values).toEqual(restored)
    const again = world.again()
    expect((await again.restore([token, '[[EMAIL_ADDRESS_bcdfghjklmnpqrstbcdfghjk]]', 'x'])).values).toEqual(restored)
    expect(world.recorded).toEqual(['key.generate', 'key.unwrap'])
  })

  it('has neither tokens nor values on the disk that can be read', async () => {
    const world = await vaultWorld()
    const call = await world.vault.open({ account: ACCOUNT, subject: 'jane' })
    const token = call.mint('EMAIL_ADDRESS', 'jane@example.com')!
    call.commit()
    const bytes = JSON.stringify(
      ['vault_calls', 'vault_values', 'vault_key'].map((table) =>
        world.database.raw
          .prepare(`SELECT * FROM ${table}`)
          .all()
          .map((row) => Object.values(row).map((cell) => (cell instanceof Uint8Array ? Buffer.from(cell).toString('latin1') : cell))),
      ),
    )
    expect(bytes).toContain('EMAIL_ADDRESS')
    for (const secret of ['jane', 'example.com', token, token.slice(16, -2)]) expect(bytes).not.toContain(secret)
  })

  it('names the persons whose values came back, once each, and nobody where none is named or the key is gone', async () => {
    const world = await vaultWorld()
    const minted = async (subject: string | null, ...values: string[]): Promise<readonly string[]> => {
      const call = await world.vault.open({ account: ACCOUNT, subject })
      const tokens = values.map((value) => call.mint('PERSON', value)!)
      call.commit()
      return tokens
    }
    const jane = await minted('jane', 'Jane', 'Jane Doe')
    const john = await minted('john', 'John')
    const none = await minted(null, 'Nobody')
    const { values, subjects } = await world.vault.restore([...jane, ...john, ...none])
    expect([values.length, subjects.length]).toEqual([4, 2])
    await world.keys.destroySubject('john', USE)
    expect((await world.vault.restore([...jane, ...john, ...none])).subjects).toEqual(subjects.slice(0, 1))
    expect((await world.vault.restore(none)).subjects).toEqual([])
  })

  it('a value is dead for ever when the key of the person is destroyed, in answers and on demand', async () => {
    const world = await vaultWorld()
    const about = { account: ACCOUNT, subject: 'jane' }
    const call = await world.vault.open(about)
    const token = call.mint('EMAIL_ADDRESS', 'jane@example.com')!
    call.commit()
    const other = await world.vault.open({ account: ACCOUNT, subject: 'john' })
    const kept = other.mint('EMAIL_ADDRESS', 'john@example.com')!
    other.commit()
    const before = await world.vault.open(about)
    await before.recall([token])
    expect(before.valueOf(token)).toMatchObject({ value: 'jane@example.com' })
    await world.keys.destroySubject('jane', USE)
    expect((await world.vault.restore([token, kept])).values.map(({ value }) => value)).toEqual(['john@example.com'])
    const later = await world.vault.open(about)
    await later.recall([token])
    expect(later.valueOf(token)).toBeNull()
    // Whom the person is to become a customer again, gets a new key.
    const fresh = later.mint('EMAIL_ADDRESS', 'jane@example.com')!
    later.commit()
    expect((await world.vault.restore([fresh])).values).toHaveLength(1)
  })

  it('a call does not know the tokens it was given for an answer, which are kept as the others are', async () => {
    const world = await vaultWorld()
    const call = await world.vault.open({ account: ACCOUNT, subject: 'jane' })
    const asked = call.mint('PERSON', 'Jane Doe')!
    call.beginAnswer()
    const answered = call.mint('PERSON', 'John Doe')!
    call.commit()
    expect([asked, answered].map((token) => call.valueOf(token)?.value)).toEqual(['Jane Doe', undefined])
    expect((await world.vault.restore([asked, answered])).values.map(({ value }) => value)).toEqual(['Jane Doe', 'John Doe'])
  })

  it('a call knows tokens of its own account about the same person, and no others', async () => {
    const world = await vaultWorld()
    const first = await world.vault.open({ account: ACCOUNT, subject: 'jane' })
    const token = first.mint('PERSON', 'Jane Doe')!
    first.commit()
    const recalled = async (account: typeof ACCOUNT, subject: string | null): Promise<string | undefined> => {
      const call = await world.vault.open({ account, subject })
      await call.recall([`hello ${token}!`])
      return call.valueOf(token)?.value
    }
    expect(await recalled(ACCOUNT, 'jane')).toBe('Jane Doe')
    expect(await recalled(ACCOUNT, 'john')).toBeUndefined()
    expect(await recalled(ACCOUNT, null)).toBeUndefined()
    expect(await recalled({ type: 'ServiceAccount', id: 'other' }, 'jane')).toBeUndefined()
    expect(await recalled({ type: 'User', id: 'app' }, 'jane')).toBeUndefined()
  })

  it('forgets by the clock, swept or not', async () => {
    const world = await vaultWorld()
    const call = await world.vault.open({ account: ACCOUNT, subject: null })
    const token = call.mint('EMAIL_ADDRESS', 'jane@example.com')!
    call.commit()
    world.clock.advance(30 * DAY_MS - 1)
    expect(world.vault.sweep()).toBe(0)
    expect((await world.vault.restore([token])).values).toHaveLength(1)
    world.clock.advance(1)
    expect((await world.vault.restore([token])).values).toEqual([])
    expect(world.vault.sweep()).toBe(1)
    expect(world.database.raw.prepare('SELECT count(*) AS n FROM vault_values').get()).toEqual({ n: 0 })
  })

  it('a value that is moved to another token does not open', async () => {
    const world = await vaultWorld()
    const call = await world.vault.open({ account: ACCOUNT, subject: null })
    const [mine, theirs] = [call.mint('PERSON', 'Jane Doe')!, call.mint('PERSON', 'John Roe')!]
    call.commit()
    const rows = world.database.raw.prepare('SELECT token, sealed FROM vault_values').all() as { token: string; sealed: Uint8Array }[]
    const move = world.database.raw.prepare('UPDATE vault_values SET sealed = ? WHERE token = ?')
    for (const [i, { token }] of rows.entries()) move.run(rows[1 - i]!.sealed, token)
    await expect(world.vault.restore([mine])).rejects.toMatchObject({ code: 'ERR_CRYPTO_AUTHENTICATION' })
    await expect(world.vault.restore([theirs])).rejects.toMatchObject({ code: 'ERR_CRYPTO_AUTHENTICATION' })
  })

  it('is bounded for each call, and keeps no value that would not come back as it was', async () => {
    const world = await vaultWorld()
    const call = await world.vault.open({ account: ACCOUNT, subject: null })
    expect(call.mint('PERSON', 'x'.repeat(4_097))).toBeNull()
    expect(call.mint('PERSON', 'half \ud83d')).toBeNull()
    for (let i = 0; i < MAX_KEPT; i++) expect(call.mint('PERSON', `p${i}`)).not.toBeNull()
    expect(call.mint('PERSON', 'one more')).toBeNull()
  })

  it('keeps nothing half: what cannot be written throws, and can be written later', async () => {
    const world = await vaultWorld()
    const call = await world.vault.open({ account: ACCOUNT, subject: null })
    const token = call.mint('PERSON', 'Jane Doe')!
    world.database.raw.exec('ALTER TABLE vault_values RENAME TO elsewhere')
    expect(() => call.commit()).toThrow(expect.objectContaining({ code: 'ERR_STORAGE_IO' }))
    expect(world.database.raw.prepare('SELECT count(*) AS n FROM vault_calls').get()).toEqual({ n: 0 })
    world.database.raw.exec('ALTER TABLE elsewhere RENAME TO vault_values')
    call.commit()
    expect((await world.vault.restore([token])).values).toHaveLength(1)
  })
})
