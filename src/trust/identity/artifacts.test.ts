import { ManualClock } from '#foundation/core'
import { type Database, migrate, openDatabase } from '#foundation/storage'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Artifacts } from './artifacts.ts'
import { MIGRATIONS } from './tables.ts'
import { WriteQueue } from './write-queue.ts'

let database: Database
let clock: ManualClock
let artifacts: Artifacts
beforeEach(() => {
  database = openDatabase(':memory:')
  migrate(database, 'trust/identity', MIGRATIONS)
  clock = new ManualClock(1_000_000)
  artifacts = new Artifacts(database.raw, new WriteQueue(database.raw), clock)
})
afterEach(() => database.close())

describe('the state of the authorization server', () => {
  it('finds what was stored, by id, by uid and by user code, of one model only', async () => {
    const grants = artifacts.adapter('Grant')
    await grants.upsert('one', { uid: 'u', userCode: 'c', value: 1 }, 60)
    expect(await grants.find('one')).toMatchObject({ value: 1 })
    expect(await grants.findByUid('u')).toMatchObject({ value: 1 })
    expect(await grants.findByUserCode('c')).toMatchObject({ value: 1 })
    expect(await artifacts.adapter('Session').find('one')).toBeUndefined()
    await grants.upsert('one', { value: 2 }, 60)
    expect(await grants.find('one')).toEqual({ value: 2 })
    expect(await grants.findByUid('u')).toBeUndefined()
  })

  it('does not find what has expired, and purges it an hour later', async () => {
    const codes = artifacts.adapter('AuthorizationCode')
    await codes.upsert('one', {}, 60)
    await codes.upsert('ever', {})
    clock.advance(60_000)
    expect(await codes.find('one')).toBeUndefined()
    const count = (): unknown => database.raw.prepare('SELECT count(*) AS n FROM identity_artifacts').get()
    await artifacts.purge()
    expect(count()).toEqual({ n: 2 })
    clock.advance(60 * 60 * 1000 + 1)
    await artifacts.purge()
    expect(count()).toEqual({ n: 1 })
  })

  it('marks what is consumed, destroys, and revokes by grant', async () => {
    const codes = artifacts.adapter('AuthorizationCode')
    await codes.upsert('one', { grantId: 'g' }, 60)
    await codes.consume('one')
    expect(await codes.find('one')).toMatchObject({ consumed: 1_000 })
    await artifacts.adapter('RefreshToken').upsert('two', { grantId: 'g' }, 60)
    await codes.revokeByGrantId('g')
    expect(await artifacts.adapter('RefreshToken').find('two')).toBeUndefined()
    await codes.upsert('three', {}, 60)
    await codes.destroy('three')
    expect(await codes.find('three')).toBeUndefined()
  })

  it('lets one of many claim an identifier, and remembers it past its expiry', async () => {
    const claims = await Promise.all(Array.from({ length: 10 }, () => artifacts.claim('Assertion', 'id', clock.now() + 1_000)))
    expect(claims.filter(Boolean)).toHaveLength(1)
    clock.advance(30 * 60 * 1000)
    await artifacts.purge()
    expect(await artifacts.claim('Assertion', 'id', clock.now() + 1_000)).toBe(false)
  })

  it('gives clients to read and not to write', async () => {
    const clients = Artifacts.readOnly((id) => (id === 'a' ? { client_id: 'a' } : undefined))
    expect(await clients.find('a')).toEqual({ client_id: 'a' })
    await expect(clients.upsert('a', {})).rejects.toMatchObject({ code: 'ERR_INTERNAL' })
  })
})
