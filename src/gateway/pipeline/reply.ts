import type { StreamOut } from './surface.ts'

/** The caller's side of one request, as the listener gives it. */
export interface Reply extends StreamOut {
  /** Headers that go with whatever is sent first. */
  setHeaders(headers: Readonly<Record<string, string>>): void
  /** One complete answer; nothing may follow. */
  send(status: number, headers: Readonly<Record<string, string>>, body: string): void
  /** Ends a stream that was started. */
  end(closing: string): void
  readonly started: boolean
  /** Called when the connection closes before the answer has been sent; at once when it has closed already. */
  onGone(listener: () => void): void
}
