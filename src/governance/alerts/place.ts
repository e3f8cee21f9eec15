import type { AlertSeverity, Clock } from '#foundation/core'
import type { OutboundTls } from '#foundation/crypto'

/** What is sent of an alert. A message is sent again under the same id until its place has taken it. */
export interface AlertMessage {
  /** The same in every attempt: who gets a message twice can tell. */
  readonly id: string
  /** Canonical JSON of `AlertEnvelope`. */
  readonly body: string
}

/** The body of a message, in the form that Standard Webhooks recommends. */
export interface AlertEnvelope {
  readonly type: 'alert.raise'
  /** ISO 8601. */
  readonly timestamp: string
  readonly data: {
    readonly id: string
    readonly kind: string
    readonly severity: AlertSeverity
    readonly summary: string
    readonly subject: { readonly type: string; readonly id: string }
    readonly key: string
    readonly details: object
    readonly requestId?: string
    /** Origin of the log, and the entry in it that the alert comes from. */
    readonly log: string
    readonly logIndex?: number
  }
}

/** Somewhere that alerts are sent to. Calls come one at a time. */
export interface AlertPlace {
  readonly name: string
  readonly minSeverity: AlertSeverity
  /**
   * Resolves when the place has taken the message, which may then come again all the same. Must give up by itself, at the latest
   * when `signal` aborts.
   * @throws `DeliveryProblem` or anything else: it was not taken, or it is not known whether it was.
   */
  deliver(message: AlertMessage, signal: AbortSignal): Promise<void>
}

export interface PlaceOptions {
  readonly resolveSecret: (reference: string) => string
  readonly clock: Clock
  /** What connections to `webhook/NAME` and `mail/NAME` are held to; TLS 1.3 with a hybrid group unless given. */
  readonly tls?: OutboundTls
}

/** Why a place did not take a message: a status, a code of the system; never text that the other side sent. */
export class DeliveryProblem extends Error {
  /** The place says that it never will. */
  readonly final: boolean

  constructor(message: string, options: { readonly final?: boolean; readonly cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'DeliveryProblem'
    this.final = options.final ?? false
  }
}

const MAX_PROBLEM = 120

/** What is shown and recorded of a failure. */
export function problemText(thrown: unknown): string {
  if (thrown instanceof DeliveryProblem) return thrown.message.slice(0, MAX_PROBLEM)
  const code = (thrown as { code?: unknown } | null)?.code
  return typeof code === 'string' && /^[A-Z0-9_]{1,60}$/.test(code) ? code : 'failed'
}
