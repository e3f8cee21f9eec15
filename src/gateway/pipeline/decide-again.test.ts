import { describe, expect, it } from 'vitest'
import {
  type Decider,
  type Decision,
  type DecisionQuery,
  type EntityFacts,
  type ErrorCode,
  type FilterAction,
  type Obligations,
  ManualClock,
  NO_EXCEPTIONS,
  NOTHING_REMARKABLE,
  RedoubtError,
} from '#foundation/core'
import { silentLogger } from '#foundation/telemetry'
import { localTime } from '#trust/conditions'
import { Cancellation } from './cancellation.ts'
import { isStricter } from './decide-again.ts'
import type { House } from './house.ts'
import { RunningStreams } from './running-streams.ts'
import { serve } from './serve.ts'
import { type Admitted, isRefused, type Refused, type ServedState } from './states.ts'
import type { Call, Served } from './surface.ts'

const decision = (effect: Decision['effect'], filterOutput: Readonly<Record<string, FilterAction>> = {}): Decision => ({
  effect,
  policies: [],
  errors: [],
  code: effect === 'allow' ? null : 'ERR_POLICY_DENIED',
  obligations: { filterInput: {}, filterOutput, limits: [], maxRowsPerCall: null },
  policySet: 'test',
})
const ALLOW = decision('allow', { default: 'mask' })
const model = (quarantined: boolean): EntityFacts => ({ type: 'Model', id: 'credit', attributes: { quarantined }, parents: [] })
const START = Date.UTC(2026, 0, 5, 17, 59, 59)

/** One request that was admitted, whose model answers when the test says so. */
class Stage {
  readonly clock = new ManualClock(START)
  tokenCode: ErrorCode | null = null
  rule: (query: DecisionQuery) => Decision = () => ALLOW
  resource = model(false)
  begun = ALLOW
  servable: RedoubtError | null = null
  asked = 0
  readonly streams = new RunningStreams({ stillValid: () => this.tokenCode })
  readonly cancellation = new Cancellation()
  #answer: (served: Served) => void = () => undefined

  serve(): Promise<ServedState | Refused> {
    const decider: Decider = { decide: (query) => this.rule(query) }
    const house = {
      streams: this.streams,
      decider,
      clock: this.clock,
      localTime: localTime('UTC'),
      conditions: NOTHING_REMARKABLE,
      exceptions: NO_EXCEPTIONS,
      profile: 'production',
      logger: silentLogger,
    } as unknown as House
    const call: Call = {
      resource: model(false),
      presentResource: () => this.resource,
      endpoint: 'Model/credit',
      subject: null,
      cost: {},
      details: {},
      rewriteTexts: () => undefined,
      stillServable: () => this.servable,
      serve: ({ cancellation }) =>
        new Promise((resolve, reject) => {
          this.asked++
          this.#answer = resolve
          cancellation.onCancel(reject)
        }),
    }
    const state = {
      call,
      principal: {
        facts: { type: 'ServiceAccount', id: 'app', attributes: {}, parents: [] },
        purpose: 'p',
        legalBasis: 'contract',
        mfaLevel: 1,
      },
      cancellation: this.cancellation,
      received: { requestId: 'req_1', sourceAddress: '127.0.0.1', receivedAt: START, reply: {} },
      decision: this.begun,
      filters: { kept: null },
      canary: null,
    } as unknown as Admitted
    return serve(house, state)
  }

  answer(): void {
    this.#answer({
      kind: 'whole',
      usage: {},
      bytes: 0,
      visitTexts: () => undefined,
      render: () => ({ status: 200, headers: {}, body: '' }),
    })
  }

  /** What became of a request that runs while `change` happens and the sweep passes. */
  async swept(change: () => void): Promise<string> {
    const running = this.serve()
    await Promise.resolve()
    expect(this.asked).toBe(1)
    this.streams.sweep()
    expect(this.cancellation.reason).toBeNull()
    change()
    this.streams.sweep()
    this.answer()
    return codeOf(await running)
  }
}

const codeOf = (state: object): string => (isRefused(state) ? state.refused.code : 'served')

describe('running requests', () => {
  it('go on while nothing changes', async () => {
    const stage = new Stage()
    expect(await stage.swept(() => undefined)).toBe('served')
    expect(stage.streams.size).toBe(0)
  })

  it('are cut when a policy put in force does not permit them any more (B8)', async () => {
    const stage = new Stage()
    expect(await stage.swept(() => (stage.rule = () => decision('deny')))).toBe('ERR_POLICY_DENIED')
  })

  it('are cut at the hour at which a policy ends (B7, B8)', async () => {
    const stage = new Stage()
    stage.rule = ({ context }) => (context.hour < 18 ? ALLOW : decision('deny'))
    expect(await stage.swept(() => stage.clock.advance(1_000))).toBe('ERR_POLICY_DENIED')
  })

  it('are decided on the model as it is, not as it was (B8)', async () => {
    const stage = new Stage()
    stage.rule = ({ resource }) => (resource.attributes['quarantined'] === true ? decision('deny') : ALLOW)
    expect(await stage.swept(() => (stage.resource = model(true)))).toBe('ERR_POLICY_DENIED')
  })

  it('are cut when the filter that is now asked for is stricter than theirs (B8, C6)', async () => {
    const stage = new Stage()
    expect(await stage.swept(() => (stage.rule = () => decision('allow', { CREDIT_CARD: 'block', default: 'mask' })))).toBe(
      'ERR_POLICY_DENIED',
    )
    const laxer = new Stage()
    expect(await laxer.swept(() => (laxer.rule = () => decision('allow', { CREDIT_CARD: 'allow', default: 'mask' })))).toBe('served')
  })

  it('are cut when tokens are not turned back any more, and when what was only counted is acted upon (B8, C6)', async () => {
    const withObligations = (change: Partial<Obligations>): Decision => ({ ...ALLOW, obligations: { ...ALLOW.obligations, ...change } })
    for (const [before, now, outcome] of [
      [{ restore: ['EMAIL_ADDRESS'] }, {}, 'ERR_POLICY_DENIED'],
      [{ restore: ['EMAIL_ADDRESS', 'PERSON'] }, { restore: ['PERSON'] }, 'ERR_POLICY_DENIED'],
      [{ restore: ['EMAIL_ADDRESS'] }, { restore: ['all'] }, 'served'],
      [{ filterMode: 'dry_run' }, {}, 'ERR_POLICY_DENIED'],
      [{}, { filterMode: 'dry_run' }, 'served'],
    ] as const) {
      const stage = new Stage()
      stage.begun = withObligations(before)
      stage.rule = () => stage.begun
      expect(await stage.swept(() => (stage.rule = () => withObligations(now)))).toBe(outcome)
    }
  })

  it('are cut when their token or model is gone (B8)', async () => {
    const token = new Stage()
    expect(await token.swept(() => (token.tokenCode = 'ERR_TOKEN_REVOKED'))).toBe('ERR_TOKEN_REVOKED')
    const gone = new Stage()
    expect(await gone.swept(() => (gone.servable = new RedoubtError('ERR_MODEL_UNDEPLOYED')))).toBe('ERR_MODEL_UNDEPLOYED')
  })

  it('are cut when the question whether they may go on cannot be answered (B8)', async () => {
    const stage = new Stage()
    const broken = (): Decision => {
      throw new Error('broken')
    }
    expect(await stage.swept(() => (stage.rule = broken))).toBe('ERR_INTERNAL')
  })

  it('never reach the model when the token ended while the body arrived (B8)', async () => {
    const stage = new Stage()
    stage.tokenCode = 'ERR_ACCOUNT_DISABLED'
    expect(codeOf(await stage.serve())).toBe('ERR_ACCOUNT_DISABLED')
    expect(stage.asked).toBe(0)
  })

  it('never reach the model when the decision changed before it was asked (B8)', async () => {
    const stage = new Stage()
    stage.rule = () => decision('deny')
    expect(codeOf(await stage.serve())).toBe('ERR_POLICY_DENIED')
    expect([stage.asked, stage.streams.size]).toEqual([0, 0])
  })

  it.each<[what: string, change: Partial<Obligations>]>([
    ['a stricter input filter', { filterInput: { EMAIL_ADDRESS: 'mask' } }],
    ['a look at what steers the model', { injection: 'block' }],
    ['marks on what tools say', { markUntrusted: ['tool_result'] }],
    ['a marker in the system prompt', { canary: true }],
    ['every part of it to be read', { unreadInput: [] }],
  ])('never reach the model when the policies ask by then for %s, and go on when they did so later (B8, C6, C7)', async (_, change) => {
    const begun = { ...ALLOW, obligations: { ...ALLOW.obligations, unreadInput: ['image'] as const } }
    const changed: Decision = { ...begun, obligations: { ...begun.obligations, ...change } }
    const early = new Stage()
    early.begun = begun
    early.rule = () => changed
    expect(codeOf(await early.serve())).toBe('ERR_POLICY_DENIED')
    expect(early.asked).toBe(0)
    const late = new Stage()
    late.begun = begun
    late.rule = () => begun
    expect(await late.swept(() => (late.rule = () => changed))).toBe('served')
  })
})

describe('a filter beside the one an answer goes through (B8, C6)', () => {
  it.each<[stricter: boolean, now: Readonly<Record<string, FilterAction>>, before: Readonly<Record<string, FilterAction>>]>([
    [true, { default: 'mask', PERSON: 'mask' }, { default: 'mask' }],
    [true, { default: 'mask', DATE_TIME: 'block' }, { default: 'block' }],
    [true, { default: 'block', URL: 'mask' }, { default: 'block' }],
    [true, { default: 'mask', CONFIDENTIAL_TERM: 'mask' }, { default: 'mask' }],
    // A site may have a recogniser of its own for what is usually left alone.
    [true, { default: 'mask' }, { default: 'mask', LOCATION: 'allow' }],
    [false, { default: 'mask' }, { default: 'mask', PERSON: 'mask' }],
    [false, { default: 'mask', EMAIL_ADDRESS: 'mask' }, { default: 'mask' }],
    [false, { default: 'mask', STAFF_NUMBER: 'mask' }, { default: 'mask' }],
    [true, { default: 'mask', STAFF_NUMBER: 'block' }, { default: 'mask' }],
    [false, { PERSON: 'mask', AGE: 'log' }, { PERSON: 'block', AGE: 'log' }],
  ])('is stricter (%j): %j beside %j, as `default` leaves names and dates alone', (stricter, now, before) => {
    expect(isStricter(now, before)).toBe(stricter)
  })
})
