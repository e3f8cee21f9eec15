import type { AlertSeverity, AuditEvent, EntityUid, ErrorCode, JsonObject } from '#foundation/core'
import type { AlertsConfig } from './config.ts'

const MINUTE_MS = 60_000
/** Identity records a flood as ten events and then a count a minute later: two minutes hold both. */
const AUTHENTICATION_WINDOW_MS = 2 * MINUTE_MS
const POLICY_WINDOW_MS = 10 * MINUTE_MS

/** One row of the table that makes alerts of what is recorded, so that the rooms need not know of alerts. */
export interface AlertRule {
  readonly kind: string
  readonly severity: AlertSeverity
  /** The types of event that it looks at. */
  readonly types: readonly string[]
  when?(event: AuditEvent): boolean
  /** Raises only when events of one subject reach the count within the window. */
  readonly threshold?: { readonly count: number; readonly windowMs: number; weight?(event: AuditEvent): number }
  /** What the alert is about; events of one subject are one alert. */
  subject(event: AuditEvent): EntityUid
  /** Names, codes and counts: never a text of the event, which may be a caller's. */
  summary(event: AuditEvent): string
}

/** What is stored or sealed here was changed by other means than ours. */
const TAMPERING: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'ERR_CRYPTO_AUTHENTICATION',
  'ERR_STORAGE_CORRUPT',
  'ERR_AUDIT_CORRUPT',
  'ERR_KEYS_KEYRING_CORRUPT',
])
const POLICY_CODES: ReadonlySet<ErrorCode | undefined> = new Set<ErrorCode>(['ERR_POLICY_DENIED', 'ERR_POLICY_PURPOSE', 'ERR_POLICY_ERROR'])

/** Identity says this of refusals that it cannot lay at the door of an account. */
const isAnonymous = ({ actor }: AuditEvent): boolean => actor.type === 'User' && actor.id === 'anonymous'

const uid = ({ type, id }: EntityUid): string => `${type}::${id}`
const resource = (event: AuditEvent): EntityUid => event.resource
const actor = (event: AuditEvent): EntityUid => event.actor

/** How many refusals one event stands for. */
function refusals({ details }: AuditEvent): number {
  const count = details?.['count']
  return typeof count === 'number' && count > 0 ? count : 1
}

function foundStricter(details: JsonObject | undefined): boolean {
  const scan = details?.['scan']
  return typeof scan === 'object' && scan !== null && !Array.isArray(scan) && (scan as JsonObject)['isStricter'] === true
}

function hasCanary({ details }: AuditEvent): boolean {
  if (details?.['entity'] === 'CANARY') return true
  const findings = details?.['outputFindings']
  return typeof findings === 'object' && findings !== null && Object.hasOwn(findings, 'CANARY')
}

export function alertRules(config: Pick<AlertsConfig, 'authenticationRefusals' | 'policyRefusals'>): readonly AlertRule[] {
  const authentication = { count: config.authenticationRefusals, windowMs: AUTHENTICATION_WINDOW_MS, weight: refusals }
  return [
    {
      kind: 'model.refused',
      severity: 'critical',
      types: ['model.refusal'],
      subject: resource,
      summary: (event) => `${uid(event.resource)} is not what was signed and is not served`,
    },
    {
      kind: 'model.load-failed',
      severity: 'critical',
      types: ['model.load'],
      when: ({ outcome }) => outcome === 'failed',
      subject: resource,
      summary: (event) => `${uid(event.resource)} is deployed and could not be loaded`,
    },
    {
      kind: 'model.quarantined',
      severity: 'info',
      types: ['model.quarantine'],
      when: ({ outcome }) => outcome === 'success',
      subject: resource,
      summary: (event) => `${uid(event.resource)} was quarantined`,
    },
    {
      kind: 'authentication.flood',
      severity: 'warning',
      types: ['authentication.refused'],
      when: isAnonymous,
      threshold: authentication,
      subject: resource,
      summary: () => `${config.authenticationRefusals} or more authentications were refused within two minutes`,
    },
    {
      kind: 'authentication.account',
      severity: 'warning',
      types: ['authentication.refused'],
      // A nonce that is asked for is a step of the protocol, by whoever holds a good token (RFC 9449 §9).
      when: (event) => !isAnonymous(event) && event.code !== 'ERR_DPOP_NONCE',
      threshold: authentication,
      subject: actor,
      summary: (event) => `${config.authenticationRefusals} or more authentications as ${uid(event.actor)} were refused within two minutes`,
    },
    {
      kind: 'policy.refusals',
      severity: 'warning',
      types: ['inference.refusal', 'control.refusal'],
      when: ({ code }) => POLICY_CODES.has(code),
      threshold: { count: config.policyRefusals, windowMs: POLICY_WINDOW_MS },
      subject: actor,
      summary: (event) => `${uid(event.actor)} was refused ${config.policyRefusals} times or more by policy within ten minutes`,
    },
    {
      kind: 'filter.failed',
      severity: 'critical',
      // A stream has been admitted when its filter fails.
      types: ['inference.refusal', 'inference.completion'],
      when: ({ code }) => code === 'ERR_FILTER_FAILED',
      subject: resource,
      summary: (event) => `a recogniser failed and calls of ${uid(event.resource)} are refused`,
    },
    {
      kind: 'filter.reload-refused',
      severity: 'warning',
      types: ['filters.reload'],
      when: ({ outcome }) => outcome === 'failed',
      subject: resource,
      summary: () => 'recognisers of your own were changed and are refused; those from before stay in force',
    },
    {
      kind: 'data.sensitivity',
      severity: 'warning',
      types: ['data.import'],
      when: ({ outcome, details }) => outcome === 'success' && foundStricter(details),
      subject: resource,
      summary: (event) => `${uid(event.resource)} was imported with a sensitivity below what was found in its columns`,
    },
    {
      kind: 'canary.seen',
      severity: 'critical',
      // A whole answer is refused; of a stream, what came before has left.
      types: ['inference.refusal', 'inference.completion'],
      when: (event) => event.code === 'ERR_FILTER_CANARY' || hasCanary(event),
      subject: resource,
      summary: (event) =>
        event.code === 'ERR_FILTER_CANARY'
          ? `${uid(event.actor)} had ${uid(event.resource)} give its system prompt away; the answer was stopped`
          : `a canary was seen in a call of ${uid(event.resource)} and blocked: what it was planted in is coming out`,
    },
    {
      kind: 'confidential.removed',
      severity: 'warning',
      // What is put in another's place is no longer looked for either, nor is what is declared public.
      types: ['confidential.remove', 'confidential.add'],
      when: ({ type, details }) => type === 'confidential.remove' || details?.['replaces'] === true || details?.['kind'] === 'public',
      subject: resource,
      summary: (event) => `${uid(event.actor)} removed, replaced or declared public something that is confidential`,
    },
    {
      kind: 'key.unaccounted',
      severity: 'critical',
      types: ['key.reconcile'],
      when: ({ code }) => code === 'ERR_KEYS_UNACCOUNTED',
      subject: resource,
      summary: () => 'the key provider did more or less than is on record: keys may have been used past the record',
    },
    {
      kind: 'key.not-reconciled',
      severity: 'warning',
      types: ['key.reconcile'],
      when: ({ outcome, code }) => outcome === 'failed' && code !== 'ERR_KEYS_UNACCOUNTED',
      subject: resource,
      summary: () => 'what the key provider did could not be held against the log',
    },
    {
      kind: 'key.escrow-changed',
      severity: 'warning',
      types: ['key.escrow'],
      when: ({ outcome }) => outcome === 'success',
      subject: resource,
      summary: () => 'who can open data sets and models without the key provider has changed',
    },
    {
      kind: 'policy.shadow-mismatch',
      severity: 'critical',
      types: ['policy.mismatch'],
      subject: resource,
      summary: () => 'two policy engines decided one request differently; it was refused',
    },
    {
      kind: 'access.administrator-enrolled',
      severity: 'info',
      types: ['access.enrolment.complete'],
      when: ({ outcome }) => outcome === 'success',
      subject: resource,
      summary: () => 'an administrator enrolled',
    },
  ]
}

/** Of any type: a code that says that sealed or stored bytes are not what was written. */
export const TAMPERING_RULE: AlertRule = {
  kind: 'storage.tampered',
  severity: 'critical',
  types: [],
  when: ({ code, outcome }) => outcome !== 'success' && code !== undefined && TAMPERING.has(code),
  subject: resource,
  summary: (event) => `what is stored for ${uid(event.resource)} is not what was written`,
}

/** Facts of the event that are ours: its type and code, never its own details. */
export function factsOf({ type, code }: AuditEvent): JsonObject {
  return { event: type, ...(code === undefined ? {} : { code }) }
}
