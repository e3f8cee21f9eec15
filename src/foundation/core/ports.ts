import type { KeyObject } from 'node:crypto'
import type { JsonObject } from './canonical-json.ts'
import type { ErrorCode } from './error-table.ts'
import { RedoubtError } from './errors.ts'
import type { FilterAction } from './filter-actions.ts'
import type { ColumnMask, RowCondition } from './row-access.ts'
import type { ToolRules } from './tool-rules.ts'

/**
 * The ports that cut the knots of the house: audit signs and seals with keys, keys record each use in audit, both sit beside
 * policy, and facts for policy come from above. Each is implemented by the room named and tied in the composition root.
 */

/** A Cedar entity uid. Type and id are kept apart on purpose: `Type::id` strings can be confused. */
export interface EntityUid {
  readonly type: string
  readonly id: string
}

/** A Cedar value: `number` is a Long and must be a safe integer. */
export type FactValue = string | number | boolean | readonly FactValue[] | { readonly [name: string]: FactValue } | TaggedFact
/** `datetime`: epoch milliseconds; `ipaddr`, `decimal`: Cedar's own text; `entity`: a reference. */
export type TaggedFact =
  | { readonly __fact: 'datetime'; readonly value: number }
  | { readonly __fact: 'ipaddr' | 'decimal'; readonly value: string }
  | { readonly __fact: 'entity'; readonly value: EntityUid }

/** What the policies may know of an entity. Immutable: an engine may cache by object identity, so change means a new object. */
export interface EntityFacts extends EntityUid {
  readonly attributes: Readonly<Record<string, FactValue>>
  /**
   * All that it is in: the closure. Policies see only principal, resource and actions, so a person in a group names the group and
   * each role that the group has; the role of a group that is not named beside it is not held.
   */
  readonly parents: readonly EntityUid[]
}

export const ACTIONS = [
  'invoke',
  'view',
  'trainOn',
  'import',
  'export',
  'erase',
  'register',
  'deploy',
  'editPipeline',
  'useKey',
  'rotateKey',
  'readAudit',
  'manageAccess',
  'administer',
  'respond',
  'viewMasked',
  'query',
  'runPipeline',
  'approve',
  'rollback',
  'explain',
  'destroyKey',
  'exportAudit',
  'review',
] as const
export type Action = (typeof ACTIONS)[number]

export const ROLES = [
  'data-scientist',
  'ml-engineer',
  'deployer',
  'business-user',
  'application',
  'auditor',
  'security-officer',
  'privacy-officer',
  'administrator',
  'bootstrap',
] as const
export type Role = (typeof ROLES)[number]

export const SENSITIVITIES = ['public', 'internal', 'confidential', 'restricted'] as const
export type Sensitivity = (typeof SENSITIVITIES)[number]

/** GDPR art. 9(1). */
export const SPECIAL_CATEGORIES = [
  'health',
  'religion',
  'ethnicity',
  'politics',
  'trade-union',
  'sex-life',
  'biometric',
  'genetic',
] as const
export type SpecialCategory = (typeof SPECIAL_CATEGORIES)[number]

/** What was found in one column: counts, never a value. */
export interface ColumnScan {
  readonly name: string
  /** Rows of those looked at that have a value here. */
  readonly values: number
  /** Most frequent first. */
  readonly entities: readonly {
    readonly entity: string
    /** Rows that hold one, and their share of `values`, 0 to 1. */
    readonly values: number
    readonly share: number
  }[]
  readonly categories: readonly SpecialCategory[]
  /** The least that this column calls for; `public` where nothing was found. */
  readonly sensitivity: Sensitivity
}

/** What was found in a table. An estimate: what is not found may still be there. */
export interface DataScan {
  /** Rows looked at: all of a short table, an even sample of a longer one. */
  readonly rows: number
  readonly isSample: boolean
  /** The least sensitivity that any column calls for. */
  readonly sensitivity: Sensitivity
  readonly categories: readonly SpecialCategory[]
  /** The column that most likely says whom each row is about. */
  readonly subject: string | null
  readonly columns: readonly ColumnScan[]
}

/** A scan of one table whose rows come one by one. */
export interface TableScan {
  /** Keeps the row or lets it go; cheap, memory bounded. @param fields as written, by column. */
  row(fields: readonly string[]): void
  /** Looks at what was kept, giving way to other work. @throws the signal's reason. */
  finish(signal?: AbortSignal): Promise<DataScan>
}

/** Implemented by `#gateway/filters`: finds what columns of tables hold. */
export interface ColumnScanner {
  begin(names: readonly string[]): TableScan
}

/** GDPR art. 6(1)(a) to (f). */
export const LEGAL_BASES = ['consent', 'contract', 'legal-obligation', 'vital-interests', 'public-task', 'legitimate-interests'] as const
export type LegalBasis = (typeof LEGAL_BASES)[number]

export interface DecisionContext {
  /** Epoch milliseconds of the request. */
  readonly now: number
  /** 0 to 23 and 0 (Sunday) to 6, in the organisation's time zone. */
  readonly hour: number
  readonly weekday: number
  /** The purpose of this request: the principal's own, or one narrowed by header. */
  readonly purpose: string
  readonly legalBasis: string
  /** Caller's address in Cedar's ipaddr text. */
  readonly sourceAddress: string
  readonly profile: 'development' | 'production'
  /** 0 none, 1 one factor, 2 two factors, 3 hardware-bound. */
  readonly mfaLevel: number
  /** Live risk of the caller, 0 to 100. */
  readonly risk: number
  /** Whether the organisation's hours include this instant. */
  readonly workingHours: boolean
  /** Name of the configured network that the caller's address belongs to; empty when it is of none. */
  readonly network: string
  /** ISO 3166-1 alpha-2 of the address by the operator's own file; empty when it is not known. */
  readonly country: string
  /** Whether the caller was not seen from this network, or this device, before. */
  readonly firstSeenNetwork: boolean
  readonly firstSeenDevice: boolean
  /** Seconds since the caller last showed its factors; `MFA_NEVER` when it has shown none. */
  readonly mfaAge: number
  /** What the access token is bound to (RFC 9449, RFC 8705). */
  readonly tokenBinding: 'none' | 'dpop' | 'mtls'
  /** The service that acts for the person (RFC 8693 `act`); empty when the caller acts for itself. */
  readonly onBehalfBy: string
  /** People other than the caller and the author who approved exactly this payload, and whose approval has not expired. */
  readonly approvals: number
  /** Whether the caller uses a break-glass grant that has not ended. */
  readonly breakGlass: boolean
}

/** Age of factors that were never shown: longer than any policy would allow. */
export const MFA_NEVER = 4_294_967_295

/** A request about which nothing is remarkable. */
export const ORDINARY_REQUEST = {
  workingHours: true,
  network: '',
  country: '',
  firstSeenNetwork: false,
  firstSeenDevice: false,
  mfaAge: 0,
  tokenBinding: 'none',
  onBehalfBy: '',
  approvals: 0,
  breakGlass: false,
} as const satisfies Partial<DecisionContext>

/** What a request shows of its circumstances. */
export interface ConditionRequest {
  /** Epoch milliseconds. */
  readonly receivedAt: number
  /** Canonical address of the caller. */
  readonly sourceAddress: string
  readonly userAgent?: string | undefined
  /** Thumbprint of the key that the access token is bound to (RFC 7638 or RFC 8705), if it is to one. */
  readonly keyThumbprint?: string | undefined
  /** What is asked for, as a name to count under; left out when that is no matter. */
  readonly endpoint?: string | undefined
  /**
   * The person for whom the caller, a service, acts. The conduct is the service's; what the person is suspected of counts against it too,
   * and nothing of it becomes usual of the person.
   */
  readonly actingFor?: EntityUid | undefined
}

export type ConditionFacts = Pick<DecisionContext, 'workingHours' | 'network' | 'country' | 'firstSeenNetwork' | 'firstSeenDevice' | 'risk'>

/** Implemented by `#trust/conditions`. Both are synchronous, do no I/O, never throw and take bounded memory. */
export interface ConditionSource {
  /** The circumstances of a request, real or supposed. Remembers nothing. */
  factsOf(principal: EntityUid, request: ConditionRequest): ConditionFacts
  /**
   * Once for each real request, after it was decided: what was allowed becomes usual of the caller.
   * @param freshFactors whether the caller is a person who showed two factors a short while ago: its network and device are then known.
   */
  note(principal: EntityUid, request: ConditionRequest, allowed: boolean, freshFactors: boolean): void
}

/** For tests and measurements of other rooms: nothing is ever remarkable. */
export const NOTHING_REMARKABLE: ConditionSource = {
  factsOf: () => ({ workingHours: true, network: '', country: '', firstSeenNetwork: false, firstSeenDevice: false, risk: 0 }),
  note: () => undefined,
}

export interface DecisionQuery {
  readonly principal: EntityFacts
  readonly action: Action
  readonly resource: EntityFacts
  readonly context: DecisionContext
}

/** At most `amount` of `unit` in any rolling window of `windowMs`. */
export interface LimitRule {
  readonly unit: 'requests' | 'rows' | 'tokens'
  readonly amount: number
  readonly windowMs: number
}

/**
 * Which answers of a model a person has to look at, whatever the filters find: `always`, or the answers of which any row of an output,
 * by its name, has a value, as text (`1`, `true`, `refused`).
 */
export type ReviewWish = 'always' | readonly { readonly output: string; readonly value: string }[]

/** Kinds of input that no text filter can look into. */
export const UNREADABLE_KINDS = ['token_ids', 'image', 'audio', 'video', 'file'] as const
export type UnreadableKind = (typeof UNREADABLE_KINDS)[number]

/** Where texts of a request come from that nobody vouches for. In the order of the alphabet. */
export const UNTRUSTED_ORIGINS = ['document', 'tool_result'] as const
export type UntrustedOrigin = (typeof UNTRUSTED_ORIGINS)[number]

/** What is asked for against texts that steer a language model. */
export interface ModelGuards {
  /** What happens to a request with such a text: refused, or counted; left out where nobody looks. */
  readonly injection?: 'block' | 'log'
  /** Texts of these origins are marked towards the model as data; left out where none are. */
  readonly markUntrusted?: readonly UntrustedOrigin[]
  /** A marker is planted in the system prompt, and an answer that shows it is cut; left out where none is. */
  readonly canary?: boolean
}

/** What must be done with the answer, added up over all satisfied permits, the strictest winning. */
export interface Obligations extends ModelGuards, ToolRules {
  /** Action per recogniser entity (`EMAIL_ADDRESS`, `CREDIT_CARD`, …); `default` applies to entities not named. */
  readonly filterInput: Readonly<Record<string, FilterAction>>
  readonly filterOutput: Readonly<Record<string, FilterAction>>
  /** Entities whose tokens are turned back in what the caller gets, or `all`; left out where none are. */
  readonly restore?: readonly string[]
  /** Whether findings are counted by what would be done and nothing is done; left out where filters act. */
  readonly filterMode?: 'dry_run'
  readonly limits: readonly LimitRule[]
  /** Most rows one call may carry; null is no bound of this kind. */
  readonly maxRowsPerCall: number | null
  /** Kinds of input that may pass although no filter can read them; left out where none may. */
  readonly unreadInput?: readonly UnreadableKind[]
  /** Answers that wait for a person. Left out where no policy asks for it. */
  readonly review?: ReviewWish
  /** Masks of columns of a data set by name; `default` applies to columns not named. Left out where no policy speaks of columns. */
  readonly columns?: Readonly<Record<string, ColumnMask>>
}

export interface Decision {
  readonly effect: 'allow' | 'deny'
  /** Ids of the policies that determined the effect, sorted; empty when nothing permitted. */
  readonly policies: readonly string[]
  /** Ids of policies that could not be evaluated. Not empty means `deny`. */
  readonly errors: readonly string[]
  /** Why a deny is a deny; null on allow. */
  readonly code: Extract<ErrorCode, 'ERR_POLICY_DENIED' | 'ERR_POLICY_ERROR' | 'ERR_POLICY_PURPOSE'> | null
  readonly obligations: Obligations
  /** There on an allow that holds for some rows of a data set only: whoever reads rows must ask it for each. */
  readonly rows?: RowCondition
  /** Digest of the policy set that decided. */
  readonly policySet: string
}

/** Implemented by `#trust/policy`. */
export interface Decider {
  /** Never throws for a well-typed query: what cannot be evaluated is denied with `ERR_POLICY_ERROR`. Synchronous, no I/O. */
  decide(query: DecisionQuery): Decision
}

export interface PersonalFields {
  /** The person as the caller names them; stored only as keyed pseudonym. */
  readonly subject: string
  /** Sealed under the subject's key, outside the Merkle tree; the leaf commits to the ciphertext. */
  readonly fields: JsonObject
}

export interface AuditEvent {
  /** Dotted, lower case: `inference.admission`, `inference.completion`, `inference.refusal`, `key.unwrap`, `model.deploy`, … */
  readonly type: string
  readonly actor: EntityUid
  readonly action: string
  readonly resource: EntityUid
  readonly outcome: 'success' | 'refused' | 'failed'
  readonly code?: ErrorCode
  readonly requestId?: string
  readonly purpose?: string
  readonly legalBasis?: string
  readonly decision?: Pick<Decision, 'effect' | 'policies' | 'errors' | 'policySet'>
  /** Facts without personal data: digests, counts, versions. */
  readonly details?: JsonObject
  readonly personal?: readonly PersonalFields[]
}

export interface AuditReceipt {
  /** Index of the leaf in the log. */
  readonly index: number
  /** RFC 6962 leaf hash, base64. */
  readonly leafHash: string
}

/** Implemented by `#trust/audit`. */
export interface AuditSink {
  /**
   * Resolves only when the event is durable. Concurrent calls share one fdatasync; order of resolution is order of index.
   * @throws {RedoubtError} `ERR_AUDIT_UNAVAILABLE` if it is not durable: the caller must then refuse.
   */
  record(event: AuditEvent): Promise<AuditReceipt>
}

/** Implemented by `#trust/keys`. A private key that signs but does not leave its room. */
export interface Signer {
  readonly algorithm: 'Ed25519' | 'ES256'
  readonly keyId: string
  readonly publicKey: KeyObject
  /** Ed25519 over the message; ES256 as DER ECDSA over its SHA-256. */
  sign(message: Uint8Array): Promise<Uint8Array>
}

export interface SealedFields {
  /** Keyed pseudonym of the subject: HMAC-SHA-256, base64url. */
  readonly pseudonym: string
  readonly ciphertext: Uint8Array
}

/** Implemented by `#trust/keys`. Its uses are counted in a metric, not logged, for the log itself calls it. */
export interface SubjectSealer {
  pseudonym(subject: string): string
  /** The subject's key is durable before this resolves. `context` is bound as additional data. */
  seal(subject: string, plaintext: Uint8Array, context: string): Promise<SealedFields>
  /** @throws {RedoubtError} `ERR_KEYS_DESTROYED` when the subject was erased, `ERR_CRYPTO_AUTHENTICATION` on tampering. */
  open(sealed: SealedFields, context: string): Promise<Uint8Array>
}

export const ALERT_SEVERITIES = ['info', 'warning', 'critical'] as const
export type AlertSeverity = (typeof ALERT_SEVERITIES)[number]

export interface Alert {
  /** Dotted, lower case: `model.refused`, `authentication.flood`, … */
  readonly kind: string
  readonly severity: AlertSeverity
  /** One line for people. Like every other member without personal data, secrets or text that a caller sent. */
  readonly summary: string
  /** What the alert is about. */
  readonly subject: EntityUid
  /** Alerts of one kind and key within a window are one alert with a count. */
  readonly key: string
  /** Facts without personal data: codes, counts, versions. */
  readonly details: JsonObject
  readonly requestId?: string
  /** The entry of the log that it comes from. */
  readonly logIndex?: number
}

/** Implemented by `#governance/alerts`. */
export interface AlertSink {
  /**
   * Synchronous; never throws, never waits, whatever it is given, and takes bounded memory. The alert is kept, recorded and sent
   * after the caller went on; a crash within a quarter of a second can lose it.
   */
  raise(alert: Alert): void
}

export interface ExceptionAsk {
  readonly principal: EntityUid
  readonly action: Action
  /** As the decision sees it: an approver has to be allowed to approve on exactly this. */
  readonly resource: EntityFacts
  /** SHA-256, hex, of what would be done (`payloadDigest` of `#governance/approvals`); null when it cannot be told beforehand. */
  readonly payloadDigest: string | null
}

/** Implemented by `#governance/approvals`: exceptions that lift a no. Synchronous; none but `spend` throws: what is not known is no exception. */
export interface ExceptionSource {
  /** The approval of exactly this with the most people who agreed and still may; null when there is none that can be used. */
  approvals(ask: ExceptionAsk): { readonly id: string; readonly count: number } | null
  /**
   * Takes an approval for one act: durable when it returns, and of two callers one is told false. An approval of an act that only
   * reads stays until it expires.
   * @throws {RedoubtError} `ERR_STORAGE_IO`: then it was not taken.
   */
  spend(id: string, requestId: string): boolean
  /** How many agreed and still may, of an approval that was spent on work under way. */
  stillApproved(id: string, resource: EntityFacts): number
  /** The id of the caller's break-glass grant for exactly this action and resource, while it lasts; else null. */
  breakGlass(ask: Pick<ExceptionAsk, 'principal' | 'action' | 'resource'>): string | null
  /** Counts a use of a grant, for whoever reviews it; the record of the use names the grant. Never throws. */
  noteUse(grant: string): void
}

/** Where there are no exceptions. */
export const NO_EXCEPTIONS: Pick<ExceptionSource, 'breakGlass' | 'noteUse'> = { breakGlass: () => null, noteUse: () => undefined }

/** `input`: a request that has not gone to the model; `output`: an answer in which a value was found; `decision`: an answer that policy wants looked at; `contest`: an answer that left and is contested. */
export const REVIEW_KINDS = ['input', 'output', 'decision', 'contest'] as const
export type ReviewKind = (typeof REVIEW_KINDS)[number]

/** `used`: a released request that went to the model, once. */
export type ReviewState = 'waiting' | 'released' | 'overridden' | 'rejected' | 'expired' | 'used'

/** Something that a person has to look at before it goes on. */
export interface ReviewAsk {
  readonly kind: ReviewKind
  readonly requestId: string
  readonly surface: string
  readonly resource: EntityUid
  /** Whose call it was. */
  readonly caller: EntityUid
  /** The service that made the call for the caller; null when the caller made it. */
  readonly through: EntityUid | null
  /** Who asks for the review, where that is another than the caller. */
  readonly asker?: EntityUid
  /** The person whom the call is about: what is held is sealed under that person's key. */
  readonly subject: string | null
  /** Count per recogniser entity. */
  readonly findings: Readonly<Record<string, number>>
  /** Keyed digest of what the release is bound to; a release of an input lets exactly this pass. */
  readonly binding: string
  /** What the reviewer has to see. */
  readonly content: JsonObject
}

export interface ReviewTicket {
  readonly id: string
  /** Epoch milliseconds: somebody should have looked by then; when it ends without anyone having looked. */
  readonly dueAt: number
  readonly expiresAt: number
}

/** Implemented by `#governance/oversight`. */
export interface ReviewQueue {
  /** How long a call waits for a reviewer before it is refused, in milliseconds; 0: not at all. */
  readonly waitMs: number
  /**
   * Resolves when the review is on record and durable.
   * @throws {RedoubtError} `ERR_REVIEW_FULL`, `ERR_AUDIT_UNAVAILABLE`, `ERR_STORAGE_IO`: then nothing waits, and what was to be looked at stays where it is.
   */
  ask(ask: ReviewAsk): Promise<ReviewTicket>
  /**
   * Resolves with the state when a reviewer has decided, `waitMs` are over, the room closes, or at once when too many calls wait.
   * @param onGone takes what is called when the client leaves.
   */
  decided(id: string, onGone: (left: () => void) => void): Promise<ReviewState>
  /**
   * Uses the release of an input, once, on record and durable when it resolves.
   * @throws {RedoubtError} `ERR_REVIEW_STATE`, `ERR_REVIEW_PENDING`, `ERR_REVIEW_REJECTED` or `ERR_REVIEW_EXPIRED` when it is not there to be used, `ERR_REVIEW_BINDING` when it
   *   is of something else, `ERR_AUDIT_UNAVAILABLE`, `ERR_STORAGE_IO`.
   */
  use(id: string, by: { readonly caller: EntityUid; readonly binding: string; readonly requestId: string }): Promise<void>
}

/** Where there is no queue: what a person has to look at does not go on. */
export const NO_REVIEWS: ReviewQueue = {
  waitMs: 0,
  ask: () => Promise.reject(new RedoubtError('ERR_REVIEW_FULL', 'nobody reviews here')),
  decided: () => Promise.resolve('waiting'),
  use: () => Promise.reject(new RedoubtError('ERR_NOT_FOUND', 'there is no such review')),
}
