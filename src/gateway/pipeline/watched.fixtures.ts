import { type AuditEvent, type AuditReceipt, type AuditSink, RedoubtError } from '#foundation/core'
import type { Reply } from './reply.ts'

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
