import { type Clock, RedoubtError } from '#foundation/core'
import { encodeFrame, type Frame, FrameReader, MAX_FRAME_BYTES } from './frames.ts'
import { ANSWER, ASK, type Ask } from './messages.ts'
import type { WorkerProcess } from './spawn-worker.ts'
import { decodeUses, isCounted, type KeyUses, UseCounts } from './use-counts.ts'
import { errorOf } from './worker-errors.ts'

/** Half a frame: key material, additional data and messages to sign are far shorter. */
const MAX_CALL_BYTES = MAX_FRAME_BYTES / 2
/** Waiting and under way together; a caller beyond that is refused rather than kept. */
const MAX_CALLS = 1_024
/** A call that was under way when the process ended is asked again this often, where that cannot do harm. */
const MAX_TRIES = 2
const FIRST_PAUSE_MS = 100
const MAX_PAUSE_MS = 5_000
/** A process starts, loads the maker's library and logs in within this. */
const OPEN_TIMEOUT_MS = 30_000
/** How often in its time a call is looked at. */
const WATCHES = 4

export interface HsmWorkerOptions {
  readonly start: () => WorkerProcess
  /** What opens the token; asked for at each start, so that the PIN is nowhere in between. The parts are erased once sent. */
  readonly opening: () => readonly Uint8Array[]
  /** Label of the token, for messages. */
  readonly token: string
  readonly clock: Clock
  readonly callTimeoutMs: number
}

interface Call {
  readonly kind: Ask
  readonly parts: readonly Uint8Array[]
  readonly repeatable: boolean
  readonly resolve: (parts: readonly Buffer[]) => void
  readonly reject: (error: RedoubtError) => void
  /** CKA_ID as hex, of what is done with a key. */
  readonly id: string
  tries: number
  sentAt: number
}

interface Running {
  readonly process: WorkerProcess
  readonly asked: Map<number, Call>
  /** What it answered, from this side. */
  readonly answered: UseCounts
  open: boolean
}

/**
 * The server's side of the process that talks to the HSM. A process that ends, hangs or sends what is no answer is replaced, and a
 * lost session or a token that is gone replaces it too: a new login is a new process. What was under way is asked once more where
 * that does no harm; the first replacement comes at once, later ones after a pause that doubles. A refused PIN is final.
 * @throws {RedoubtError} from `call`: what `errorOf` makes of the answer, `ERR_KEYS_PROVIDER_UNAVAILABLE`, `ERR_KEYS_PROVIDER_BUSY`,
 *   `ERR_KEYS_UNKNOWN` once closed.
 */
export class HsmWorker {
  readonly #options: HsmWorkerOptions
  readonly #waiting: Call[] = []
  #running: Running | null = null
  #watch: NodeJS.Timeout | null = null
  #lastId = 0
  /** What processes that ended had answered: their own counts went with them. */
  readonly #before = new UseCounts()
  #ended = 0
  #failures = 0
  #restartAt = 0
  #final: RedoubtError | null = null

  constructor(options: HsmWorkerOptions) {
    this.#options = options
  }

  /** @param repeatable asked twice, it does nothing that asked once it would not. */
  call(kind: Ask, parts: readonly Uint8Array[], repeatable: boolean): Promise<readonly Buffer[]> {
    return new Promise((resolve, reject) => {
      const error = this.#refusal(parts)
      if (error !== null) return reject(error)
      const id = isCounted(kind) ? Buffer.from(parts[0] ?? []).toString('hex') : ''
      this.#waiting.push({ kind, parts, repeatable, resolve, reject, id, tries: 0, sentAt: 0 })
      this.#send()
    })
  }

  /**
   * What the processes did with keys, as the one that runs counts it itself. Of those that ended before they told, what they answered: a
   * use whose answer was lost with its process gave nobody anything. @returns also how many those were.
   * @throws {RedoubtError} as `call`; `ERR_KEYS_PROVIDER_PROTOCOL`.
   */
  async uses(): Promise<{ readonly uses: KeyUses; readonly inferred: number }> {
    const all = new UseCounts()
    const ended = this.#ended
    const [bytes] = await this.call(ASK.counts, [], false)
    // A process that ended meanwhile would be counted twice or not at all.
    if (ended !== this.#ended) throw new RedoubtError('ERR_KEYS_PROVIDER_UNAVAILABLE', 'the process that talks to the HSM was replaced')
    try {
      all.addAll(decodeUses(bytes ?? Buffer.alloc(0)))
    } catch (cause) {
      throw new RedoubtError('ERR_KEYS_PROVIDER_PROTOCOL', 'the process that talks to the HSM gave a strange answer', { cause })
    }
    all.addAll(this.#before.uses())
    return { uses: all.uses(), inferred: this.#ended }
  }

  close(): void {
    this.#final ??= new RedoubtError('ERR_KEYS_UNKNOWN', 'the keyring is closed')
    this.#end(this.#final)
  }

  #refusal(parts: readonly Uint8Array[]): RedoubtError | null {
    if (this.#final !== null) return this.#final
    if (parts.reduce((sum, part) => sum + part.byteLength, 0) > MAX_CALL_BYTES)
      return new RedoubtError('ERR_CRYPTO_PARAMETER', 'this is more than an HSM is asked to do at once')
    const pause = this.#restartAt - this.#options.clock.monotonic()
    if (this.#running === null && pause > 0)
      return new RedoubtError('ERR_KEYS_PROVIDER_UNAVAILABLE', 'the process that talks to the HSM failed and is started again shortly', {
        evidence: { retryAfterMs: Math.ceil(pause) },
      })
    const calls = this.#waiting.length + (this.#running?.open === true ? this.#running.asked.size : 0)
    return calls >= MAX_CALLS ? new RedoubtError('ERR_KEYS_PROVIDER_BUSY', 'too many calls wait for the HSM') : null
  }

  #send(): void {
    if (this.#running === null) {
      if (this.#waiting.length > 0) this.#start()
      return
    }
    if (!this.#running.open) return
    for (const call of this.#waiting.splice(0)) this.#ask(this.#running, call)
  }

  #start(): void {
    let parts: readonly Uint8Array[]
    let process: WorkerProcess
    try {
      parts = this.#options.opening()
      process = this.#options.start()
    } catch (thrown) {
      const error =
        thrown instanceof RedoubtError ? thrown : new RedoubtError('ERR_KEYS_PROVIDER_UNAVAILABLE', undefined, { cause: thrown })
      for (const call of this.#waiting.splice(0)) call.reject(error)
      return
    }
    const running: Running = { process, asked: new Map(), answered: new UseCounts(), open: false }
    this.#running = running
    const reader = new FrameReader()
    process.onEnd((how) => this.#failed(running, how))
    process.channel.on('error', () => this.#failed(running, 'its channel broke'))
    process.channel.on('close', () => this.#failed(running, 'its channel ended'))
    process.channel.on('data', (chunk: Buffer) => {
      if (this.#running !== running) return
      try {
        for (const frame of reader.push(chunk)) this.#answered(running, frame)
      } catch {
        this.#failed(running, 'it sent what is no answer')
      }
      chunk.fill(0)
    })
    const opening: Call = {
      kind: ASK.open,
      parts,
      repeatable: false,
      resolve: () => {
        running.open = true
        this.#send()
      },
      reject: (error) => this.#end(error),
      id: '',
      tries: 0,
      sentAt: 0,
    }
    this.#ask(running, opening)
    for (const part of parts) part.fill(0)
  }

  #ask(running: Running, call: Call): void {
    this.#lastId = (this.#lastId % 0xffff_ffff) + 1
    call.tries++
    call.sentAt = this.#options.clock.monotonic()
    running.asked.set(this.#lastId, call)
    const frame = encodeFrame({ id: this.#lastId, kind: call.kind, parts: call.parts })
    running.process.channel.write(frame, () => frame.fill(0))
    this.#watch ??= setInterval(() => this.#look(), this.#options.callTimeoutMs / WATCHES)
  }

  #answered(running: Running, { id, kind, parts }: Frame): void {
    const call = running.asked.get(id)
    if (call === undefined || this.#running !== running) return
    running.asked.delete(id)
    if (running.asked.size === 0) this.#unwatch()
    if (kind === ANSWER.done) {
      if (call.kind !== ASK.open) this.#failures = 0
      running.answered.add(call.kind, call.id)
      call.resolve(parts)
      return
    }
    const reason = parts[0]?.toString() ?? ''
    const error = errorOf(kind, reason, this.#options.token)
    if (kind === ANSWER.pinRefused) this.#final = error
    if (call.kind === ASK.open) {
      this.#pause()
      call.reject(error)
    } else if (kind === ANSWER.sessionLost) {
      running.asked.set(id, call)
      this.#failed(running, `the session was lost: ${reason}`)
    } else {
      call.reject(error)
      // Whatever comes back in its place has to be logged in to.
      if (kind === ANSWER.tokenGone) this.#end(error)
    }
  }

  /** The oldest question is the first in the map. */
  #look(): void {
    const running = this.#running
    const oldest = running?.asked.values().next().value
    if (running === null || oldest === undefined) return
    const limit = oldest.kind === ASK.open ? OPEN_TIMEOUT_MS : this.#options.callTimeoutMs
    if (this.#options.clock.monotonic() - oldest.sentAt >= limit) this.#failed(running, 'a call took too long')
  }

  #failed(running: Running, why: string): void {
    if (this.#running !== running) return
    this.#drop(running)
    const again = this.#pause() === 0 && this.#final === null
    const error = new RedoubtError(
      'ERR_KEYS_PROVIDER_UNAVAILABLE',
      `the process that talks to the HSM failed in the middle of it (${why}); repeat`,
    )
    const calls = [...running.asked.values()].filter(({ kind }) => kind !== ASK.open)
    const kept = calls.filter((call) => again && call.repeatable && call.tries < MAX_TRIES)
    for (const call of calls) if (!kept.includes(call)) call.reject(error)
    // In front of what came after them; but where the process failed at once, for the second time in a row, nobody waits for a third.
    const waited = this.#waiting.splice(0)
    if (again) this.#waiting.push(...kept, ...waited)
    else for (const call of waited) call.reject(error)
    this.#send()
  }

  #end(error: RedoubtError): void {
    const running = this.#running
    if (running !== null) this.#drop(running)
    for (const call of [...(running?.asked.values() ?? []), ...this.#waiting.splice(0)]) if (call.kind !== ASK.open) call.reject(error)
  }

  #drop(running: Running): void {
    this.#running = null
    this.#unwatch()
    const answered = running.answered.uses()
    if (answered.length > 0) this.#ended++
    this.#before.addAll(answered)
    running.process.kill()
    running.process.channel.destroy()
  }

  /** @returns the pause before the next start, in milliseconds; none after the first failure in a row. */
  #pause(): number {
    this.#failures++
    const pause = this.#failures === 1 ? 0 : Math.min(FIRST_PAUSE_MS * 2 ** (this.#failures - 2), MAX_PAUSE_MS)
    this.#restartAt = this.#options.clock.monotonic() + pause
    return pause
  }

  #unwatch(): void {
    if (this.#watch !== null) clearInterval(this.#watch)
    this.#watch = null
  }
}
