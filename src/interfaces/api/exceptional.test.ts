import type { FastifyRequest } from 'fastify'
import { beforeEach, describe, expect, it } from 'vitest'
import { type DecisionContext, type DecisionQuery, ORDINARY_REQUEST } from '#foundation/core'
import type { SearchQuery } from '#trust/audit'
import type { Identity, Principal } from '#trust/identity'
import { approversOf } from './approvers.ts'
import type { ControlPlane } from './control-plane.ts'
import { orExcepted, stillExcepted } from './exceptional.ts'
import { independenceOf } from './reviewers.ts'

const MODEL = { type: 'Model', id: 'credit', attributes: {}, parents: [] }
const CALLER = { type: 'User', id: 'carol', attributes: {}, parents: [] }
const request = { method: 'POST', params: {}, query: {}, body: { version: 1 }, routeOptions: { url: '/x' }, redoubtRequestId: 'req_1' }
const query = {
  principal: CALLER,
  action: 'deploy',
  resource: MODEL,
  context: { ...ORDINARY_REQUEST, profile: 'production' } as DecisionContext,
} as const satisfies DecisionQuery

/** What the policies allow, what there is of exceptions, and what was done with them. */
let allows: (context: DecisionContext) => boolean
let approved: { id: string; count: number } | null
let granted: string | null
let asked: unknown[]
let spent: string[]
let spendable: boolean
beforeEach(() => {
  allows = () => false
  approved = granted = null
  asked = []
  spent = []
  spendable = true
})

const plane = {
  policies: {
    decide: ({ context }: DecisionQuery) => ({ effect: allows(context) ? 'allow' : 'deny', policies: [], errors: [], code: null }),
  },
  exceptions: {
    approvals: (ask: unknown) => {
      asked.push(ask)
      return approved
    },
    spend: (id: string, requestId: string) => {
      spent.push(`${id} ${requestId}`)
      return spendable
    },
    stillApproved: () => approved?.count ?? 0,
    breakGlass: () => granted,
    fourEyes: { offer: () => 'off_1' },
  },
} as unknown as ControlPlane
const refusal = { effect: 'deny', code: 'ERR_POLICY_DENIED', policies: [], errors: [] } as never
const outcome = (change: object = {}, decision = refusal) =>
  orExcepted(plane, { ...request, ...change } as unknown as FastifyRequest, query, decision, {})

describe('a no (B1, B8)', () => {
  it('stays a no that neither approvals nor a grant would lift, and asks for nothing', () => {
    granted = 'bg_1'
    const { refusal: error, used } = outcome()
    expect(error?.code).toBe('ERR_POLICY_DENIED')
    expect([used, asked, spent]).toEqual([null, [], []])
  })

  it('tells how many approvals would lift it, and how to ask', () => {
    allows = ({ approvals }) => approvals >= 2
    expect(outcome().refusal).toMatchObject({
      code: 'ERR_APPROVAL_REQUIRED',
      message: 'policy asks for 2 approvals of this',
      evidence: { needed: 2, approval: 'off_1' },
    })
  })

  it('is lifted by enough approvals, spent before it is a yes', () => {
    allows = ({ approvals }) => approvals >= 2
    approved = { id: 'apr_1', count: 1 }
    expect(outcome().refusal?.code).toBe('ERR_APPROVAL_REQUIRED')
    expect(spent).toEqual([])
    approved = { id: 'apr_1', count: 2 }
    expect(outcome()).toMatchObject({ refusal: null, details: { approval: 'apr_1', approvals: 2 }, used: { approval: 'apr_1' } })
    expect(spent).toEqual(['apr_1 req_1'])
  })

  it('stays a no when another took the approval a moment before', () => {
    allows = ({ approvals }) => approvals >= 1
    approved = { id: 'apr_1', count: 1 }
    spendable = false
    expect(outcome().refusal?.code).toBe('ERR_APPROVAL_REQUIRED')
  })

  it('is lifted by no approval where what would be done is not known beforehand', () => {
    allows = ({ approvals }) => approvals >= 1
    approved = { id: 'apr_1', count: 1 }
    expect(outcome({ body: { pipe: () => undefined }, headers: {} }).refusal).toMatchObject({
      code: 'ERR_APPROVAL_REQUIRED',
      evidence: { needed: expect.any(Number) as number },
    })
    expect([...asked.map((ask) => (ask as { payloadDigest: unknown }).payloadDigest), ...spent]).toEqual([null])
  })

  it('is lifted by a grant that the policies honour, and by it alone', () => {
    allows = ({ breakGlass }) => breakGlass
    expect(outcome().refusal?.code).toBe('ERR_POLICY_DENIED')
    granted = 'bg_1'
    expect(outcome()).toMatchObject({ refusal: null, details: { breakGlass: 'bg_1' }, used: { breakGlass: 'bg_1', approval: null } })
  })

  it('about a data set is lifted for the version that was looked at, and not for a later one, whatever the route says of it', () => {
    allows = ({ approvals }) => approvals >= 1
    const datasets = { get: () => ({ version: stored, digest: `digest-${stored}` }) }
    let stored = 1
    const digestNow = (dataset: object): unknown => {
      const about = { ...query, action: 'view', resource: { type: 'Dataset', id: 'credit', attributes: {}, parents: [] } } as const
      const got = { ...plane, datasets } as unknown as ControlPlane
      return orExcepted(got, { ...request, ...dataset } as unknown as FastifyRequest, about, refusal, {}).details['payloadDigest']
    }
    const first = digestNow({})
    expect(first).toMatch(/^[0-9a-f]{64}$/)
    expect(digestNow({})).toBe(first)
    stored = 2
    expect(digestNow({})).not.toBe(first)
    stored = 1
    expect(digestNow({})).toBe(first)
  })

  it('is told what a route fills in only where approvals would lift it', () => {
    const meant = (): never => {
      throw new Error('asked')
    }
    const ask = () => orExcepted(plane, request as unknown as FastifyRequest, query, refusal, { meant })
    expect(ask().refusal?.code).toBe('ERR_POLICY_DENIED')
    allows = ({ approvals }) => approvals >= 1
    expect(ask).toThrow('asked')
  })

  it('of policies that cannot be evaluated is lifted by nothing', () => {
    allows = ({ approvals, breakGlass }) => approvals > 0 || breakGlass
    approved = { id: 'apr_1', count: 5 }
    granted = 'bg_1'
    expect(outcome({}, { effect: 'deny', code: 'ERR_POLICY_ERROR', policies: [], errors: ['p'] } as never).refusal?.code).toBe(
      'ERR_POLICY_ERROR',
    )
  })
})

describe('work that goes on under an exception (B8)', () => {
  const still = (used: { approval: string | null; breakGlass: string | null } | null) =>
    stillExcepted(plane, used, { facts: CALLER } as unknown as Principal, 'deploy', MODEL)

  it('has what it began with while that lasts, and no longer', () => {
    approved = { id: 'apr_1', count: 2 }
    granted = 'bg_1'
    expect(still(null)).toEqual({})
    expect(still({ approval: 'apr_1', breakGlass: null })).toEqual({ approvals: 2, breakGlass: false })
    expect(still({ approval: null, breakGlass: 'bg_1' })).toEqual({ approvals: 0, breakGlass: true })
    granted = 'bg_2'
    expect(still({ approval: null, breakGlass: 'bg_1' })).toEqual({ approvals: 0, breakGlass: false })
  })
})

describe('who may approve', () => {
  const account = { name: 'app', disabled: false }
  const identity = {
    serviceAccounts: { get: (name: string) => (name === 'app' ? account : null), principal: () => ({ facts: CALLER }) },
    people: {
      find: (id: string) => (id === 'carol' ? { ...account, facts: CALLER } : null),
      isMadeBy: (id: string, maker: { id: string }) => id === 'carol' && maker.id === 'dave',
    },
  } as unknown as Identity
  /** Dave made the program `app`. */
  const log = {
    search: ({ type, actor, resource }: SearchQuery) => ({
      entries: type === 'access.account.create' && actor?.id === 'dave' && resource?.id === 'app' ? [{ index: 1, event: {} }] : [],
      next: null,
      upTo: 2,
    }),
  }
  const approversIn = (profile: 'development' | 'production') =>
    approversOf({ identity, policies: plane.policies, profile }, independenceOf(identity, log, profile))
  const may = (profile: 'development' | 'production', id = 'app', type = 'ServiceAccount') =>
    approversIn(profile).mayApprove({ type, id }, MODEL, query.context)

  it('is nobody whom who asks has made, in production', () => {
    const made = (profile: 'development' | 'production', maker: string) =>
      approversIn(profile).isSameHand({ type: 'User', id: 'carol' }, { type: 'User', id: maker })
    expect([made('production', 'dave'), made('production', 'eve'), made('development', 'dave')]).toEqual([true, false, false])
    const approvers = approversIn('production')
    expect(approvers.isSameHand({ type: 'User', id: 'dave' }, { type: 'User', id: 'carol' })).toBe(true)
  })

  it('B1: is nobody who made the program that asks, nor is the program a second hand for its maker', () => {
    const program = { type: 'ServiceAccount', id: 'app' }
    const isHandOf = (id: string, profile: 'development' | 'production' = 'production') => [
      approversIn(profile).isSameHand({ type: 'User', id }, program),
      approversIn(profile).isSameHand(program, { type: 'User', id }),
    ]
    expect([isHandOf('dave'), isHandOf('eve'), isHandOf('dave', 'development')]).toEqual([
      [true, true],
      [false, false],
      [false, false],
    ])
  })

  it('is no program in production, nobody disabled and nobody unknown, and whoever the policies allow', () => {
    allows = () => true
    expect([may('production'), may('development'), may('development', 'gone'), may('production', 'ghost', 'User')]).toEqual([
      false,
      true,
      false,
      false,
    ])
    expect([may('production', 'carol', 'User'), may('production', 'root', 'System')]).toEqual([true, false])
    account.disabled = true
    expect([may('development'), may('production', 'carol', 'User')]).toEqual([false, false])
    account.disabled = false
    allows = () => false
    expect(may('development')).toBe(false)
    allows = () => true
    const lent = approversIn('development')
    expect(lent.mayApprove({ type: 'User', id: 'carol' }, MODEL, { ...query.context, onBehalfBy: 'assistant' })).toBe(false)
    // Neither an approval nor broken glass makes an approver.
    allows = ({ approvals, breakGlass }) => approvals > 0 || breakGlass
    expect(
      approversIn('development').mayApprove({ type: 'ServiceAccount', id: 'app' }, MODEL, {
        ...query.context,
        approvals: 9,
        breakGlass: true,
      }),
    ).toBe(false)
  })
})
