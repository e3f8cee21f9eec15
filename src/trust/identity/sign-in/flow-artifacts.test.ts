import { ManualClock } from '#foundation/core'
import { openDatabase } from '#foundation/storage'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Adapter } from 'oidc-provider'
import { Artifacts } from '../artifacts.ts'
import { WriteQueue } from '../write-queue.ts'
import { MIGRATIONS } from '../tables.ts'
import { migrate } from '#foundation/storage'
import { flowAdapter, ISSUED_TOKEN } from './flow-artifacts.ts'

const database = () => openDatabase(':memory:')
let opened: ReturnType<typeof database>
let artifacts: Artifacts
let replayed: string[]
let revoked: string[]
let adapter: (model: string) => Adapter

beforeEach(() => {
  opened = database()
  migrate(opened, 'trust/identity', MIGRATIONS)
  artifacts = new Artifacts(opened.raw, new WriteQueue(opened.raw), new ManualClock(Date.now()))
  replayed = []
  revoked = []
  adapter = (model) =>
    flowAdapter(model, {
      artifacts,
      session: () => null,
      revokeToken: async (id) => revoked.push(id),
      replayed: async (code) => void replayed.push(code),
    })!
})
afterEach(() => opened.close())

describe('where the flows of people are kept (B5)', () => {
  it('lets a code and a refresh token be used by one of any number that come at the same moment', async () => {
    for (const [model, code] of [
      ['AuthorizationCode', 'ERR_CODE_REPLAYED'],
      ['RefreshToken', 'ERR_REFRESH_REUSED'],
    ] as const) {
      replayed = []
      await adapter(model).upsert('secret', { grantId: 'g', jti: 'secret' }, 60)
      const outcomes = await Promise.allSettled(Array.from({ length: 5 }, () => adapter(model).consume('secret')))
      expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
      expect(replayed).toEqual(Array(4).fill(code))
    }
  })

  it('finds what it stored by its secret and not by what is stored', async () => {
    await adapter('RefreshToken').upsert('secret', { grantId: 'g', jti: 'secret' }, 60)
    expect(await adapter('RefreshToken').find('secret')).toMatchObject({ jti: 'secret', grantId: 'g' })
    const [{ id }] = opened.raw.prepare('SELECT id FROM identity_artifacts').all() as [{ id: string }]
    expect(await adapter('RefreshToken').find(id)).toBeUndefined()
  })

  it('ends the access tokens of a family and no others', async () => {
    await artifacts.adapter(ISSUED_TOKEN).upsert('at_1', { grantId: 'g' }, 60)
    await artifacts.adapter(ISSUED_TOKEN).upsert('at_2', { grantId: 'h' }, 60)
    await adapter('AccessToken').revokeByGrantId('g')
    expect(revoked).toEqual(['at_1'])
  })

  it('decides a waiting device once', async () => {
    await artifacts.adapter('DeviceCode').upsert('d', {}, 60)
    const outcomes = await Promise.all([
      artifacts.settle('DeviceCode', 'd', { accountId: 'a' }),
      artifacts.settle('DeviceCode', 'd', { error: 'access_denied' }),
    ])
    expect(outcomes.filter(Boolean)).toHaveLength(1)
  })
})
