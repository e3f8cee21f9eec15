import type { ChildProcess } from 'node:child_process'
import { readFileSync } from 'node:fs'
import type { Duplex } from 'node:stream'
import { type Clock, RedoubtError } from '#foundation/core'
import type { Logger } from '#foundation/telemetry'
import type { ForeignModelsConfig } from './config.ts'
import { decodeTensors, encodeFrame, encodeTensors, FrameReader } from './frames.ts'
import type { RuntimeTensor } from './runtime-tensor.ts'
import { spawnChild } from './spawn-child.ts'

/** Answers are no larger than calls by much; a process that sends more is broken or hostile. */
const MAX_ANSWER_BYTES = 128 * 1024 * 1024
const MEMORY_POLL_MS = 50
const PAGE_BYTES = 4096
const MAX_REASON_LENGTH = 200

interface Call {
  readonly loads: boolean
  readonly frame: readonly Uint8Array[]
  readonly timeoutMs: number
  readonly resolve: (tensors: readonly RuntimeTensor[]) => void
  readonly reject: (error: RedoubtError) => void
}

interface Running {
  readonly child: ChildProcess
  readonly channel: Duplex
  /** The model is loaded. */
  readonly ready: Promise<unknown>
}

/**
 * A stranger's model in a process of its own. One call at a time is with the process, the others wait here, so that a time-out
 * or a crash is charged to the call that caused it. After a crash the next call starts a new process, but not before a pause
 * that doubles with each crash in a row; until then calls are refused at once.
 */
export class ChildModel {
  readonly placement = 'child-process'
  readonly #model: Uint8Array
  readonly #config: ForeignModelsConfig
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #label: string
  readonly #waiting: Call[] = []
  #current: Call | null = null
  #timer: NodeJS.Timeout | null = null
  #memoryWatch: NodeJS.Timeout | null = null
  #running: Running | null = null
  #crashes = 0
  #restartAt = 0
  #closed = false
  readonly #onEnd: () => void

  constructor(options: {
    readonly model: Uint8Array
    /** `name@version`, for the log. */
    readonly label: string
    readonly config: ForeignModelsConfig
    readonly clock: Clock
    readonly logger: Logger
    /** Called when it has no process any more and gets none. */
    readonly onEnd?: () => void
  }) {
    this.#onEnd = options.onEnd ?? (() => undefined)
    this.#model = options.model
    this.#label = options.label
    this.#config = options.config
    this.#clock = options.clock
    this.#logger = options.logger
  }

  /** The process that runs now; null when there is none. */
  get pid(): number | null {
    return this.#running?.child.pid ?? null
  }

  /** @throws {RedoubtError} `ERR_MODEL_FORMAT` when the runtime does not take the file, `ERR_MODEL_CRASHED`, `ERR_MODEL_TIMEOUT` */
  async start(): Promise<void> {
    await this.#process().ready
  }

  /** @throws {RedoubtError} `ERR_MODEL_CRASHED`, `ERR_MODEL_TIMEOUT`, `ERR_MODEL_BUSY`, `ERR_INPUT_INVALID` when the model refuses the input */
  async run(inputs: readonly RuntimeTensor[]): Promise<readonly RuntimeTensor[]> {
    if (this.#waiting.length >= this.#config.maxWaitingCalls) throw new RedoubtError('ERR_MODEL_BUSY')
    const { headers, parts } = encodeTensors(inputs)
    const frame = encodeFrame({ tensors: headers }, parts)
    this.#process()
    return await this.#enqueue(frame, this.#config.callTimeoutMs)
  }

  /** Takes no more calls and ends when those it has are answered. */
  drain(): void {
    this.#closed = true
    if (!this.#current && this.#waiting.length === 0) this.close()
  }

  /** Ends at once; the calls it has are refused. */
  close(): void {
    this.#closed = true
    this.#onEnd()
    this.#end(new RedoubtError('ERR_MODEL_UNDEPLOYED', 'the model was taken out of service'))
  }

  #process(): Running {
    if (this.#closed) throw new RedoubtError('ERR_MODEL_UNDEPLOYED', 'the model was taken out of service')
    if (this.#running) return this.#running
    const wait = this.#restartAt - this.#clock.monotonic()
    if (wait > 0)
      throw new RedoubtError('ERR_MODEL_CRASHED', 'the model process failed and is restarted shortly', {
        evidence: { retryAfterMs: Math.ceil(wait) },
      })
    const child = spawnChild()
    const channel = child.stdio[3] as Duplex
    const reader = new FrameReader(MAX_ANSWER_BYTES)
    child.on('error', () => this.#failed(child, 'it could not be started'))
    child.on('exit', (code, signal) => this.#failed(child, `it ended with ${signal ?? `code ${code ?? 'unknown'}`}`))
    channel.on('error', () => this.#failed(child, 'its channel broke'))
    channel.on('data', (chunk: Buffer) => {
      if (this.#running?.child !== child) return
      try {
        for (const { header, bytes } of reader.push(chunk)) this.#answered(header, bytes)
      } catch {
        this.#failed(child, 'it sent what is not an answer')
      }
    })
    // Before any waiting call: the model must be there first.
    const ready = new Promise<readonly RuntimeTensor[]>((resolve, reject) => {
      this.#waiting.unshift({
        loads: true,
        frame: encodeFrame({ load: true }, [this.#model]),
        timeoutMs: this.#config.loadTimeoutMs,
        resolve,
        reject,
      })
    })
    ready.catch(() => undefined)
    this.#running = { child, channel, ready }
    this.#next()
    return this.#running
  }

  #enqueue(frame: readonly Uint8Array[], timeoutMs: number): Promise<readonly RuntimeTensor[]> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ loads: false, frame, timeoutMs, resolve, reject })
      this.#next()
    })
  }

  #next(): void {
    const running = this.#running
    if (!running || this.#current) return
    const call = this.#waiting.shift()
    if (!call) {
      if (this.#closed) this.close()
      return
    }
    this.#current = call
    for (const part of call.frame) running.channel.write(part)
    this.#timer = setTimeout(
      () => this.#failed(running.child, 'a call took too long', new RedoubtError('ERR_MODEL_TIMEOUT')),
      call.timeoutMs,
    )
    this.#memoryWatch ??= setInterval(() => this.#checkMemory(running.child), MEMORY_POLL_MS)
  }

  #answered(header: unknown, bytes: Uint8Array): void {
    const call = this.#current
    if (!call) throw new TypeError('an answer without a question')
    const answer = (header ?? {}) as { readonly ok?: unknown; readonly tensors?: unknown; readonly reason?: unknown }
    const tensors = answer.ok === true ? decodeTensors(answer.tensors, bytes) : null
    this.#settleCurrent()
    if (tensors) {
      if (!call.loads) this.#crashes = 0
      call.resolve(tensors)
    } else call.reject(refusal(call.loads, answer.reason))
    this.#next()
  }

  #settleCurrent(): void {
    if (this.#timer) clearTimeout(this.#timer)
    if (this.#memoryWatch) clearInterval(this.#memoryWatch)
    this.#timer = null
    this.#memoryWatch = null
    this.#current = null
  }

  #checkMemory(child: ChildProcess): void {
    const bytes = residentBytes(child.pid)
    if (bytes !== null && bytes > this.#config.maxMemoryBytes) this.#failed(child, 'it took too much memory')
  }

  #failed(child: ChildProcess, why: string, error = new RedoubtError('ERR_MODEL_CRASHED')): void {
    if (this.#running?.child !== child) return
    this.#crashes++
    const pause = Math.min(this.#config.backoffMs * 2 ** (this.#crashes - 1), this.#config.maxBackoffMs)
    this.#restartAt = this.#clock.monotonic() + pause
    this.#logger.warn({ model: this.#label, why, crashes: this.#crashes, pauseMs: pause }, 'a model process was ended')
    this.#end(error)
    if (this.#closed) this.#onEnd()
  }

  #end(error: RedoubtError): void {
    const running = this.#running
    this.#running = null
    if (running) {
      running.child.kill('SIGKILL')
      running.channel.destroy()
    }
    const current = this.#current
    this.#settleCurrent()
    current?.reject(error)
    // Not theirs the fault: they may try again at once and are then told how long to wait.
    for (const call of this.#waiting.splice(0))
      call.reject(error.code === 'ERR_MODEL_TIMEOUT' ? new RedoubtError('ERR_MODEL_CRASHED') : error)
  }
}

/** The reason comes from a process that is not trusted: short and printable. */
function refusal(loading: boolean, reason: unknown): RedoubtError {
  if (!loading) return new RedoubtError('ERR_INPUT_INVALID', 'the model could not compute this input')
  const text = typeof reason === 'string' ? reason.replace(/[^\x20-\x7e]/g, ' ').slice(0, MAX_REASON_LENGTH) : ''
  return new RedoubtError('ERR_MODEL_FORMAT', 'the runtime does not take this model', { evidence: { reason: text } })
}

function residentBytes(pid: number | undefined): number | null {
  try {
    return Number(readFileSync(`/proc/${pid ?? 0}/statm`, 'latin1').split(' ')[1]) * PAGE_BYTES
  } catch {
    return null
  }
}
