import { afterEach, describe, expect, it } from 'vitest'
import type { ErrorCode } from '#foundation/core'
import { MemoryFolder, migrate, subfolder } from '#foundation/storage'
import { failure, newWorld, PASSPHRASE, QUICK_KDF, USE } from '../keys.fixtures.ts'
import { logOf } from '../log-of-keyring.fixtures.ts'
import { keyringOver } from '../open-keyring.ts'
import { openSealedFileProvider } from '../sealed-file/sealed-file-provider.ts'
import { KEY_MIGRATIONS } from '../subject-store.ts'
import { failingProvider } from './failing-provider.fixtures.ts'
import { Move } from './move.ts'
import { rotationOf, sealObjects } from './objects-of-the-house.fixtures.ts'
import { type ProviderPlaces, writePlaces } from './provider-places.ts'
import { takeOver } from './taken-over.ts'
import { withFormer } from './with-former.ts'

const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

const OBJECTS = 5

/** Keys that move from one provider to another, both of which can be taken away: called `transit` and `sealed-file`, at the port. */
async function moving() {
  const { folder, database, clock } = newWorld()
  migrate(database, 'trust/keys', KEY_MIGRATIONS)
  const about = { passphrase: PASSPHRASE, clock, kdf: QUICK_KDF }
  const options = { folder, database, clock, kind: 'sealed-file' } as const
  const first = await openSealedFileProvider({ ...about, folder: subfolder(folder, 'transit') })
  const before = await keyringOver({ provider: first, move: null, signedBefore: [] }, { ...options, id: null, marker: null })
  const objects = new MemoryFolder()
  const wrapped = await sealObjects(before, objects, OBJECTS)
  before.close()

  const leaving = await openSealedFileProvider({ ...about, folder: subfolder(folder, 'transit') })
  const current = failingProvider(await openSealedFileProvider({ ...about, folder, takingOver: await takeOver(leaving) }), 'sealed-file')
  leaving.close()
  const former = failingProvider(await openSealedFileProvider({ ...about, folder: subfolder(folder, 'transit'), former: true }), 'transit')
  const places: ProviderPlaces = {
    current: 'sealed-file',
    former: { kind: 'transit', recorded: false, proved: false, left: null },
    places: [
      { kind: 'transit', place: 'transit' },
      { kind: 'sealed-file', place: '' },
    ],
    signedBefore: [],
  }
  writePlaces(folder, places)
  const move = new Move(folder, places, current.provider, former.provider)
  const provider = withFormer(current.provider, former.provider, 'transit')
  const keyring = await keyringOver({ provider, move, signedBefore: [] }, { ...options, id: 'known', marker: 'known' })
  closing.push(() => keyring.close())
  const log = await logOf(keyring, clock)
  closing.push(() => log.close())
  const reconciliation = keyring.reconciliation({ audit: log, log })
  const keys = keyring.keys(log)
  const rotation = rotationOf(keyring, objects, log)
  const health = async () =>
    Object.fromEntries((await keys.providers()).flatMap((one) => (one.health === null ? [] : [[one.kind, one.health.ok]])))
  return { keyring, keys, rotation, reconciliation, log, wrapped, sides: { former, current }, health }
}

const CODES: readonly ErrorCode[] = ['ERR_KEYS_PROVIDER_UNAVAILABLE', 'ERR_KEYS_PROVIDER_BUSY', 'ERR_KEYS_PROVIDER_DENIED']
const GONE = (['former', 'current'] as const).flatMap((side) => CODES.map((code) => [side, code] as const))

describe('a provider that is gone in the middle of a move (A4, A6)', () => {
  it.each(GONE)('the %s one, with %s: the move stops and says so, the other one serves, and it goes on by itself', async (side, code) => {
    const { keys, rotation, log, wrapped, sides, health } = await moving()
    // Made while both are there, so that it is at the provider of now.
    const now = await keys.generateDataKey('configuration', 'now', USE)
    sides[side].fails = code
    sides[side].answers = 3
    await rotation.run()
    expect(rotation.progress()).toMatchObject({ doing: 'idle', error: code, move: { from: 'transit', to: 'sealed-file', proved: false } })
    expect(await health()).toEqual({ transit: side !== 'former', 'sealed-file': side !== 'current' })
    const use = (purpose: string) => ({ ...USE, purpose })
    if (side === 'former') {
      expect((await keys.unwrap(now.wrapped, use('while it is gone'))).equals(now.key)).toBe(true)
      const next = await keys.generateDataKey('configuration', 'next', USE)
      expect((await keys.unwrap(next.wrapped, USE)).equals(next.key)).toBe(true)
      expect(await failure(keys.unwrap(wrapped[0]!.wrapped, USE))).toBe(code)
    } else {
      for (const { wrapped: old, key } of wrapped) expect((await keys.unwrap(old, use('while it is gone'))).equals(key)).toBe(true)
      expect(await failure(keys.generateDataKey('configuration', 'next', USE))).toBe(code)
      expect(await failure(keys.unwrap(now.wrapped, USE))).toBe(code)
    }
    // It tries again and again; what it cannot do changes nothing.
    await rotation.run()
    expect(rotation.progress()).toMatchObject({ error: code, move: { proved: false } })
    expect(log.search({ type: 'key.retire' }).entries).toEqual([])
    sides[side].fails = null
    await rotation.run()
    expect(rotation.progress()).toMatchObject({ error: null, move: { proved: true, left: [] }, objects: { failed: 0 } })
    for (const { wrapped: old, key } of [...wrapped, now]) expect((await keys.unwrap(old, use('afterwards'))).equals(key)).toBe(true)
  })
})

describe('the count against the log while a former provider is out of reach (A7)', () => {
  it('says what it could not count, neither that all agrees nor that something is missing', async () => {
    const { keys, reconciliation, log, wrapped, sides } = await moving()
    await keys.unwrap(wrapped[0]!.wrapped, USE)
    expect((await reconciliation.run()).agrees).toBe(true)
    sides.former.fails = 'ERR_KEYS_PROVIDER_UNAVAILABLE'
    const without = await reconciliation.run()
    const uncounted = [{ provider: 'transit', code: 'ERR_KEYS_PROVIDER_UNAVAILABLE' }]
    expect(without).toMatchObject({ agrees: null, uncounted })
    expect(new Set(without.rows.map(({ finding }) => finding))).toEqual(new Set(['not all counted']))
    expect(reconciliation.problem()).toBe('ERR_KEYS_PROVIDER_UNAVAILABLE')
    const [entry] = log.search({ type: 'key.reconcile', limit: 1 }).entries
    expect(entry!.event).toMatchObject({ outcome: 'failed', code: 'ERR_KEYS_PROVIDER_UNAVAILABLE', details: { uncounted } })
    sides.former.fails = null
    expect(await reconciliation.run()).toMatchObject({ agrees: true, uncounted: [] })
    expect(reconciliation.problem()).toBeNull()
  })

  it('still finds what was done past the record at the one that answers, and at the other one when it is back', async () => {
    const { keys, reconciliation, wrapped, sides } = await moving()
    const now = await keys.generateDataKey('configuration', 'now', USE)
    sides.former.fails = 'ERR_KEYS_PROVIDER_UNAVAILABLE'
    await sides.current.provider.sign('token-signing', Buffer.from('a token'))
    const without = await reconciliation.run()
    expect(without.agrees).toBe(false)
    expect(without.rows.find(({ operation, key }) => operation === 'sign' && key === 'token-signing')?.finding).toBe('more than recorded')
    expect(now.wrapped.version).toBe(2)
    sides.former.fails = null
    await sides.former.provider.unwrap(wrapped[0]!.wrapped)
    sides.former.fails = 'ERR_KEYS_PROVIDER_UNAVAILABLE'
    const hidden = (await reconciliation.run()).rows.find(({ operation }) => operation === 'unwrap')
    expect(hidden?.finding).toBe('not all counted')
    sides.former.fails = null
    const found = (await reconciliation.run()).rows.find(({ operation, key }) => operation === 'unwrap' && key === 'configuration')
    expect(found?.finding).toBe('more than recorded')
  })
})
