import { describe, expect, it } from 'vitest'
import type { EntityUid } from '#foundation/core'
import type { AuditLog } from '#trust/audit'
import { independenceOf } from './reviewers.ts'

const ada: EntityUid = { type: 'User', id: 'ada' }
const bob: EntityUid = { type: 'User', id: 'bob' }
const app: EntityUid = { type: 'ServiceAccount', id: 'app' }

/** A log in which `ada` made the account `app`, or gave it another key. */
const logOf = (made: string): Pick<AuditLog, 'search'> => ({
  search({ type, actor, resource }) {
    const found = type === made && actor?.id === 'ada' && resource?.type === 'Account' && resource.id === 'app'
    return { entries: found ? [{ index: 1, event: {} }] : [], next: null, upTo: 2 }
  },
})
/** Carl made Bob. */
const identity = { people: { isMadeBy: (id: string, maker: EntityUid) => id === 'bob' && maker.id === 'carl' } }

describe('D10: who may be whom', () => {
  it.each(['access.account.create', 'access.account.replaceKey'])('whoever did %s may be the program', (made) => {
    const independence = independenceOf(identity, logOf(made), 'production')
    const isSameHand = (one: EntityUid, other: EntityUid): boolean => independence.isSameHand(one, other)
    expect([isSameHand(ada, app), isSameHand(app, ada)]).toEqual([true, true])
    expect([isSameHand(bob, app), isSameHand(app, bob), isSameHand(ada, bob)]).toEqual([false, false, false])
  })

  it('of people as for approvals; in development the account of the host makes everyone', () => {
    const carl: EntityUid = { type: 'User', id: 'carl' }
    expect(independenceOf(identity, logOf('none'), 'production').isSameHand(carl, bob)).toBe(true)
    expect(independenceOf(identity, logOf('access.account.create'), 'development').isSameHand(ada, app)).toBe(false)
  })
})
