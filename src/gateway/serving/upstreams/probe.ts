import type { Clock, RedoubtError } from '#foundation/core'
import type { Logger } from '#foundation/telemetry'
import type { Pool } from 'undici'
import { Exchange } from './exchange.ts'

/** No one waits longer than this for a diagnosis. */
const PROBE_TIMEOUT_MS = 10_000
const MAX_PROBE_BYTES = 4 * 1024 * 1024

export interface UpstreamHealth {
  readonly upstream: string
  /** Scheme, host and port only. */
  readonly origin: string
  readonly reachable: boolean
  /** False when the upstream refused the credential. */
  readonly accepted: boolean
  readonly error: RedoubtError | null
  readonly latencyMs: number
}

/** What servers say to whoever asks for a list that they do not keep. */
const WITHOUT_LIST: ReadonlySet<unknown> = new Set([404, 405, 501])

/** Asks for the list of models. An upstream that has no such list is reachable all the same. */
export function probeUpstream(ask: {
  readonly name: string
  readonly url: URL
  readonly pool: Pool
  readonly path: string
  readonly headers: readonly string[]
  readonly timeoutMs: number
  readonly clock: Clock
  readonly logger: Logger
}): Promise<UpstreamHealth> {
  const started = ask.clock.monotonic()
  return new Promise((resolve) => {
    const answer = (error: RedoubtError | null): void => {
      const status = error?.evidence['upstreamStatus']
      const answered = error === null || typeof status === 'number'
      const accepted = answered && status !== 401 && status !== 403
      const healthy = error === null || WITHOUT_LIST.has(status)
      const latencyMs = ask.clock.monotonic() - started
      resolve({ upstream: ask.name, origin: ask.url.origin, reachable: answered, accepted, error: healthy ? null : error, latencyMs })
    }
    const bounds = {
      upstream: ask.name,
      stream: false,
      maxBytes: MAX_PROBE_BYTES,
      totalTimeoutMs: Math.min(PROBE_TIMEOUT_MS, ask.timeoutMs),
    }
    const handler = { start: () => undefined, data: () => undefined, end: () => answer(null), error: answer }
    const exchange = new Exchange(handler, bounds, ask.logger)
    ask.pool.dispatch({ method: 'GET', path: ask.path, headers: [...ask.headers, 'accept', 'application/json'] }, exchange)
  })
}
