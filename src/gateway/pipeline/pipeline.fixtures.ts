/** A whole house for the pipeline's tests: real policies, limits and filters around a log, an identity and a surface that obey the test. */
import {
  type AuditEvent,
  type AuditReceipt,
  type AuditSink,
  type Decider,
  type EntityFacts,
  type ErrorCode,
  type JsonObject,
  type ConditionSource,
  type ExceptionSource,
  ManualClock,
  NO_EXCEPTIONS,
  NO_REVIEWS,
  type ReviewQueue,
  NOTHING_REMARKABLE,
  RedoubtError,
} from '#foundation/core'
import { openDatabase } from '#foundation/storage'
import { silentLogger } from '#foundation/telemetry'
import { createRedactor, PLAIN_SITE, plannerFor } from '#gateway/filters'
import { type LimitAsk, type Limits, openLimits, type Taken } from '#gateway/limits'
import { localTime } from '#trust/conditions'
import type { Principal } from '#trust/identity'
import { defaultPolicyFiles, loadPolicies, type PolicyEngine } from '#trust/policy'
import type { House } from './house.ts'
import type { Reply } from './reply.ts'
import { RunningStreams } from './running-streams.ts'
import type { Received } from './states.ts'
import type { Call, Rendered, ServeIo, Served, StreamServed, Surface, TextFilter } from './surface.ts'

/** A log in memory that can be slow, down, or fail for one type of event; what it holds is what would be durable. */
export class ObedientLog implements AuditSink {
  readonly events: AuditEvent[] = []
  readonly #trace: string[]
  /** Types that cannot be recorded. */
  readonly broken = new Set<string>()
  /** What is thrown for them. */
  failure: unknown = new RedoubtError('ERR_AUDIT_UNAVAILABLE')
  /** Types that wait until `release` is called. */
  readonly held = new Set<string>()
  #waiting: (() => void)[] = []

  constructor(trace: string[]) {
    this.#trace = trace
  }

  async record(event: AuditEvent): Promise<AuditReceipt> {
    this.#trace.push(`asked to record ${event.type}`)
    if (this.held.has(event.type)) await new Promise<void>((resolve) => void this.#waiting.push(resolve))
    if (this.broken.has(event.type)) throw this.failure
    this.events.push(event)
    this.#trace.push(`recorded ${event.type}`)
    return { index: this.events.length - 1, leafHash: '' }
  }

  release(): void {
    this.held.clear()
    for (const go of this.#waiting.splice(0)) go()
  }

  of(type: string): readonly AuditEvent[] {
    return this.events.filter((event) => event.type === type)
  }
}

/** The caller's side of a request, with everything that reached it. */
export class WatchedReply implements Reply {
  readonly #trace: string[]
  readonly always: Record<string, string> = {}
  sent: { readonly status: number; readonly headers: Readonly<Record<string, string>>; readonly body: string } | null = null
  started = false
  written = ''
  closing: string | null = null
  #listeners: (() => void)[] = []
  #gone = false

  constructor(trace: string[]) {
    this.#trace = trace
  }

  setHeaders(headers: Readonly<Record<string, string>>): void {
    Object.assign(this.always, headers)
  }

  send(status: number, headers: Readonly<Record<string, string>>, body: string): void {
    if (this.sent !== null || this.started) throw new Error('answered twice')
    this.#trace.push(`answered ${status}`)
    this.sent = { status, headers: { ...this.always, ...headers }, body }
  }

  start(): void {
    this.#trace.push('stream started')
    this.started = true
  }

  write(text: string): boolean {
    if (this.closing !== null) throw new Error('written after the end')
    this.written += text
    return true
  }

  onDrain(): void {}

  end(closing: string): void {
    if (this.closing !== null) throw new Error('ended twice')
    this.#trace.push('stream ended')
    this.closing = closing
  }

  onGone(listener: () => void): void {
    if (this.#gone) listener()
    else this.#listeners.push(listener)
  }

  /** The client closes the connection. */
  leave(): void {
    this.#gone = true
    for (const listener of this.#listeners.splice(0)) listener()
  }
}

/** What the body of a test request may ask the surface to do. */
export interface Wish {
  readonly text?: string
  readonly model?: string
  readonly subject?: string
  readonly rows?: number
  readonly tokens?: number
  /** The model answers with this text. */
  readonly answer?: string
  /** The model answers with what it was asked. */
  readonly echo?: boolean
  readonly stream?: boolean
  /** The model runs until it is cancelled. */
  readonly hang?: boolean
  readonly fail?: ErrorCode
}

export const MAX_BODY_BYTES = 1_000_000
export const PURPOSE = 'credit-scoring'
export const TOKEN = 'Bearer good'
export const USED_TOKENS = 7

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

const MODEL: EntityFacts = {
  type: 'Model',
  id: 'credit',
  attributes: { sensitivity: 3, purposes: [PURPOSE], signed: true, quarantined: false, foreign: false },
  parents: [],
}
const endpoint = (id: string): EntityFacts => ({
  type: 'Endpoint',
  id,
  attributes: { sensitivity: 1, purposes: [], sandbox: true, upstream: 'inside', vendor: '', region: '', agreement: false },
  parents: [],
})

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
  const limits = openLimits({ database: openDatabase<unknown>(':memory:'), clock })
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
  return {
    house,
    log,
    clock,
    trace,
    settled,
    taken,
    asked,
    get invalid() {
      return state.invalid
    },
    set invalid(code) {
      state.invalid = code
    },
    get unservable() {
      return state.unservable
    },
    set unservable(error) {
      state.unservable = error
    },
    request(wish = {}, change = {}) {
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
  }
}

interface SurfaceParts {
  readonly trace: string[]
  readonly asked: string[]
  readonly unservable: () => RedoubtError | null
}

function wishSurface({ trace, asked, unservable }: SurfaceParts): Surface {
  return {
    name: 'test',
    maxBodyBytes: MAX_BODY_BYTES,
    resolve({ body }) {
      trace.push('resolved')
      let wish: Wish
      try {
        wish = JSON.parse(Buffer.from(body).toString('utf8')) as Wish
      } catch {
        throw new RedoubtError('ERR_INPUT_MALFORMED')
      }
      if (wish.model === 'absent') throw new RedoubtError('ERR_MODEL_UNKNOWN')
      return wishCall(wish)
    },
    renderError: (error, requestId) => rendered(error.status, { error: error.code, requestId }),
    renderStreamError: (error) => `event: error ${error.code}\n`,
  }

  function wishCall(wish: Wish): Call {
    let text = wish.text ?? 'hello'
    const resource = wish.model === 'credit' ? MODEL : endpoint(wish.model ?? 'assistant')
    return {
      resource,
      endpoint: `${resource.type}/${resource.id}`,
      subject: wish.subject ?? null,
      cost: { ...(wish.rows === undefined ? {} : { rows: wish.rows }), ...(wish.tokens === undefined ? {} : { tokens: wish.tokens }) },
      details: { model: resource.id },
      rewriteTexts(filter: TextFilter) {
        trace.push('input filtered')
        text = filter(text, 'text')
      },
      stillServable: unservable,
      async serve(io) {
        trace.push('served')
        asked.push(text)
        const answer = wish.echo === true ? text : (wish.answer ?? 'fine')
        if (wish.fail !== undefined) throw new RedoubtError(wish.fail)
        return wish.stream === true ? wishStream(wish, answer, io) : wishWhole(wish, answer, io)
      },
    }
  }

  async function wishWhole(wish: Wish, answer: string, io: ServeIo): Promise<Served> {
    if (wish.hang === true) await new Promise<never>((_resolve, reject) => io.cancellation.onCancel(reject))
    return {
      kind: 'whole',
      usage: usageOf(wish),
      bytes: answer.length,
      visitTexts: (look) => void look(answer, 'answer'),
      render(filter) {
        trace.push('output filtered')
        return rendered(200, { answer: filter(answer, 'answer') })
      },
      ...(wish.subject === undefined ? {} : { personal: { answer } }),
    }
  }

  async function wishStream(wish: Wish, answer: string, io: ServeIo): Promise<StreamServed> {
    io.out.start({})
    const redactor = createRedactor(io.outputPlan)
    for (let at = 0; at < answer.length; at += 5) io.out.write(redactor.push(answer.slice(at, at + 5)))
    io.out.write(redactor.flush())
    const failure =
      wish.hang === true ? await new Promise<RedoubtError>((resolve) => io.cancellation.onCancel(resolve)) : io.cancellation.reason
    return {
      kind: 'stream',
      closing: failure ? `event: error ${failure.code}\n` : 'event: done\n',
      usage: usageOf(wish),
      outputDigest: 'ab'.repeat(32),
      findings: redactor.findings,
      actions: redactor.actions,
      blocked: false,
      failure,
    }
  }
}

const usageOf = (wish: Wish): { tokens: number; rows?: number } => ({
  tokens: USED_TOKENS,
  ...(wish.rows === undefined ? {} : { rows: wish.rows }),
})

const rendered = (status: number, body: JsonObject): Rendered => ({
  status,
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(body),
})
