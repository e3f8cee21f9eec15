/** A whole house for the pipeline's tests: real policies, limits and filters around a log, an identity and a surface that obey the test. */
import {
  type ConditionSource,
  type Decider,
  type ErrorCode,
  type ExceptionSource,
  ManualClock,
  NO_EXCEPTIONS,
  NO_REVIEWS,
  NOTHING_REMARKABLE,
  RedoubtError,
  type ReviewQueue,
} from '#foundation/core'
import { openDatabase } from '#foundation/storage'
import { silentLogger } from '#foundation/telemetry'
import { PLAIN_SITE, plannerFor } from '#gateway/filters'
import { type LimitAsk, type Limits, openLimits, type Taken } from '#gateway/limits'
import { localTime } from '#trust/conditions'
import type { Principal } from '#trust/identity'
import { defaultPolicyFiles, loadPolicies, type PolicyEngine } from '#trust/policy'
import type { House } from './house.ts'
import { RunningStreams } from './running-streams.ts'
import type { Received } from './states.ts'
import { ObedientLog, WatchedReply } from './watched.fixtures.ts'
import { PURPOSE, type Wish, wishSurface } from './wish-surface.fixtures.ts'

export const TOKEN = 'Bearer good'

export function principal(change: Partial<Principal> = {}): Principal {
  const purpose = change.purpose ?? PURPOSE
  return {
    facts: {
      type: 'ServiceAccount',
      id: 'app',
      attributes: { purpose, legalBasis: 'contract' },
      parents: [{ type: 'Role', id: 'application' }],
    },
    name: 'app',
    roles: ['application'],
    purpose,
    legalBasis: 'contract',
    mfaLevel: 1,
    authTime: null,
    sessionId: null,
    tokenBinding: 'none',
    onBehalfBy: '',
    token: { id: 'token-1', issuer: 'https://localhost', expiresAt: Number.MAX_SAFE_INTEGER },
    ...change,
  }
}

/** `strict` blocks cards in answers, `small` has a small quota; all else are the default policies. */
const POLICIES = `
@id("strict-output")
@filter_output("CREDIT_CARD=block")
permit (principal in Role::"application", action == Action::"invoke", resource == Endpoint::"strict");
@id("small-quota")
@limit("requests 2/1m, tokens 100/1h")
permit (principal in Role::"application", action == Action::"invoke", resource == Endpoint::"small");
`

let engine: Promise<PolicyEngine> | undefined
const policies = (): Promise<PolicyEngine> =>
  (engine ??= loadPolicies({ files: [...defaultPolicyFiles(), { name: 'test.cedar', text: POLICIES }] }))

export interface TestHouse {
  readonly house: House
  readonly log: ObedientLog
  readonly clock: ManualClock
  /** What happened, in order. */
  readonly trace: string[]
  /** What each reservation was settled with. */
  readonly settled: readonly { readonly tokens?: number; readonly rows?: number }[]
  readonly taken: readonly LimitAsk[]
  /** What `stillValid` says. */
  invalid: ErrorCode | null
  /** What `stillServable` says. */
  unservable: RedoubtError | null
  /** Texts that reached the model. */
  readonly asked: string[]
  request(wish?: Wish | string, change?: Partial<Received>): { readonly received: Received; readonly reply: WatchedReply }
}

export async function testHouse(
  parts: {
    readonly exceptions?: Pick<ExceptionSource, 'breakGlass' | 'noteUse'>
    readonly plan?: House['plan']
    readonly conditions?: ConditionSource
    readonly decider?: Decider
    readonly vault?: House['vault']
    readonly filtersDryRun?: boolean
    readonly profile?: House['profile']
    readonly reviews?: ReviewQueue
    readonly principal?: Principal
  } = {},
): Promise<TestHouse> {
  const trace: string[] = []
  const clock = new ManualClock(Date.UTC(2026, 5, 1, 12))
  const log = new ObedientLog(trace)
  const decider = parts.decider ?? (await policies())
  const limits = openLimits({ database: openDatabase(':memory:'), clock })
  const settled: { tokens?: number; rows?: number }[] = []
  const taken: LimitAsk[] = []
  const asked: string[] = []
  const caller = parts.principal ?? principal()
  const state: { invalid: ErrorCode | null; unservable: RedoubtError | null } = { invalid: null, unservable: null }
  const identity: House['identity'] = {
    authenticate({ authorization, authorizationCount }) {
      trace.push('authenticated')
      if (authorization === undefined) return { code: 'ERR_TOKEN_MISSING' }
      return authorization === TOKEN && authorizationCount === 1 ? caller : { code: 'ERR_TOKEN_SIGNATURE' }
    },
    stillValid: () => state.invalid,
  }
  const watchedLimits: Pick<Limits, 'take'> = {
    take(ask) {
      trace.push('limits taken')
      taken.push(ask)
      const answer = limits.take(ask)
      if (!answer.allowed) return answer
      const watched: Taken = {
        ...answer,
        settle(actual) {
          trace.push('settled')
          settled.push(actual)
          answer.settle(actual)
        },
      }
      return watched
    },
  }
  const house: House = {
    identity,
    decider: {
      decide(query) {
        trace.push('decided')
        return decider.decide(query)
      },
    },
    limits: watchedLimits,
    audit: log,
    clock,
    localTime: localTime('UTC'),
    conditions: parts.conditions ?? NOTHING_REMARKABLE,
    exceptions: parts.exceptions ?? NO_EXCEPTIONS,
    reviews: parts.reviews ?? NO_REVIEWS,
    logger: silentLogger,
    profile: parts.profile ?? 'production',
    digestKey: new Uint8Array(32).fill(7),
    plan: parts.plan ?? plannerFor(PLAIN_SITE),
    hashKey: new Uint8Array(32).fill(8),
    filtersDryRun: parts.filtersDryRun ?? false,
    vault: parts.vault ?? { open: () => Promise.reject(new RedoubtError('ERR_STORAGE_IO')) },
    streams: new RunningStreams(identity),
  }
  const surface = wishSurface({ trace, asked, unservable: () => state.unservable })
  let count = 0
  return Object.assign(state, {
    house,
    log,
    clock,
    trace,
    settled,
    taken,
    asked,
    request(wish: Wish | string = {}, change: Partial<Received> = {}) {
      const reply = new WatchedReply(trace)
      const body = Buffer.from(typeof wish === 'string' ? wish : JSON.stringify(wish))
      const received: Received = {
        requestId: `req_${++count}`,
        receivedAt: clock.now(),
        startedAt: clock.monotonic(),
        surface,
        parameters: [],
        credentials: { authorization: TOKEN, authorizationCount: 1, url: '/test' },
        contentType: 'application/json',
        sourceAddress: '10.0.0.1',
        userAgent: undefined,
        purposeHeader: undefined,
        subjectHeader: undefined,
        async body(maxBytes) {
          trace.push('body read')
          if (body.byteLength > maxBytes) throw new RedoubtError('ERR_INPUT_TOO_LARGE')
          return body
        },
        reply,
        ...change,
      }
      return { received, reply }
    },
  })
}
