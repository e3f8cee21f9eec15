import { OpenEnd } from '#gateway/filters'
import { JsonTextDecoder, JsonTextEncoder } from '../json-text.ts'

/** What a channel needs of a streaming redactor; `#gateway/filters` makes them. */
export interface StreamRedactor {
  /** Takes the next piece and returns what may go out now: text that no value can still grow into. */
  push(delta: string): string
  /** Ends the text and returns what was held back. */
  flush(): string
  /** A value was found that may not leave: nothing more may go out. */
  readonly blocked: boolean
  /** Units at the end of what it put out that hold no value which it put in itself, by turning a token back; all of them unless given. */
  readonly sinceRestored?: number
}

/** A text that arrives whole holds a value that may not leave; the stream ends with `content_filter`. */
export class Blocked extends Error {}

/**
 * One text that arrives in pieces: the content of a choice, its reasoning, the arguments of one tool call. What goes out in all
 * depends on the text alone, never on how it was cut, and never holds half of a character.
 */
export class TextChannel {
  readonly #createRedactor: (() => StreamRedactor) | null
  readonly #decoder: JsonTextDecoder | null
  readonly #encoder: JsonTextEncoder | null
  /** Null where nothing is looked for that may go on in another text. */
  readonly openEnd: OpenEnd | null
  #redactor: StreamRedactor | null = null
  /** A high surrogate that waits for its other half, so that no client sees half of a character. */
  #half = ''
  /** What an interruption forced out: looked at again when the text goes on, and taken off what then comes out. */
  #forced = ''
  #skip = ''
  /** Decoded at the end of the text. */
  #waiting = ''
  #blocked = false

  /** A value may not leave: what the channel has put out stands before it, and nothing follows. */
  get blocked(): boolean {
    return this.#blocked
  }

  /** @param json The text is a JSON document: it is filtered by what it means. @param joins Its end may be looked at together with what follows it. */
  constructor(createRedactor: (() => StreamRedactor) | null, json: boolean, joins = false) {
    this.openEnd = joins && createRedactor !== null ? new OpenEnd() : null
    this.#createRedactor = createRedactor
    this.#decoder = json && createRedactor !== null ? new JsonTextDecoder() : null
    this.#encoder = json && createRedactor !== null ? new JsonTextEncoder() : null
  }

  /** @returns what may go out now. */
  push(delta: string): string {
    if (this.#blocked) return ''
    if (this.#createRedactor === null) return this.#whole(delta)
    const plain = this.#decoder === null ? delta : this.#decoder.push(delta)
    if (plain === '') return ''
    return this.#filtered(this.openEnd === null ? plain : this.openEnd.push(plain))
  }

  /** Nothing more comes, but what is there may wait for what follows the text. */
  ended(): void {
    const rest = this.#decoder?.flush() ?? ''
    if (rest !== '') this.#waiting += this.openEnd === null ? rest : this.openEnd.push(rest)
  }

  /** What is known not to belong to a value that began in another text. */
  open(): string {
    return this.openEnd === null || this.#blocked ? '' : this.#filtered(this.openEnd.open())
  }

  /** Ends the text. */
  flush(): string {
    if (this.#blocked) return ''
    let out = ''
    if (this.#createRedactor !== null) {
      this.ended()
      const plain = this.#waiting + (this.openEnd?.take() ?? '')
      this.#waiting = ''
      if (plain !== '') out = this.#redact(plain)
      out = this.#out(out + this.#end())
      if (this.openEnd?.blocked === true) this.#blocked = true
      if (this.#encoder !== null) out += this.#encoder.flush()
    }
    const joined = this.#half + out
    this.#half = ''
    return joined.toWellFormed()
  }

  /**
   * Forces out what is held back because something else has to follow it (a tool call). Should the text go on later, the forced part is
   * looked at again together with what follows, so that a value cut by the interruption never goes out whole.
   */
  interrupt(): string {
    const waiting = this.#blocked ? '' : (this.openEnd?.take() ?? '')
    const before = waiting === '' ? '' : this.#redact(waiting)
    if (this.#redactor === null) return ''
    const held = this.#checked((redactor) => redactor.flush())
    if (this.openEnd?.blocked === true) this.#blocked = true
    // A value that a token was turned back into is not searched again: the filter would take it from whoever may have it.
    this.#forced = held.slice(Math.max(0, held.length - (this.#redactor.sinceRestored ?? Infinity)))
    this.#redactor = null
    return this.#whole(this.#out(before + this.#skipped(held)))
  }

  #filtered(plain: string): string {
    if (plain === '' && this.openEnd?.blocked !== true) return ''
    let out = plain === '' ? '' : this.#redact(plain)
    if (this.openEnd?.blocked === true) {
      out += this.#end()
      this.#blocked = true
    }
    return this.#whole(this.#out(out))
  }

  #redact(plain: string): string {
    let out = ''
    if (this.#redactor === null) {
      this.#redactor = this.#createRedactor?.() ?? null
      if (this.#forced !== '') {
        this.#skip = this.#forced
        out = this.#skipped(this.#checked((redactor) => redactor.push(this.#forced)))
        this.#forced = ''
      }
    }
    return out + this.#skipped(this.#checked((redactor) => redactor.push(plain)))
  }

  #end(): string {
    if (this.#redactor === null) return ''
    const rest = this.#skipped(this.#checked((redactor) => redactor.flush()))
    this.#redactor = null
    return rest
  }

  #checked(step: (redactor: StreamRedactor) => string): string {
    const redactor = this.#redactor
    if (redactor === null || this.#blocked) return ''
    const out = step(redactor)
    this.#blocked = redactor.blocked
    return out
  }

  /** Takes off what the client has already, as far as it is the same. */
  #skipped(out: string): string {
    const skip = this.#skip
    if (skip === '') return out
    const most = Math.min(skip.length, out.length)
    let same = 0
    while (same < most && skip.charCodeAt(same) === out.charCodeAt(same)) same++
    this.#skip = same === out.length ? skip.slice(same) : ''
    return out.slice(same)
  }

  #out(text: string): string {
    return this.#encoder === null ? text : this.#encoder.push(text)
  }

  #whole(text: string): string {
    if (text === '') return ''
    const joined = this.#half === '' ? text : this.#half + text
    const last = joined.charCodeAt(joined.length - 1)
    this.#half = last >= 0xd800 && last <= 0xdbff ? joined.slice(-1) : ''
    return (this.#half === '' ? joined : joined.slice(0, -1)).toWellFormed()
  }
}

/** Filters a text that arrives whole, such as an id or the name of a tool. @throws {Blocked} when it may not leave. */
export function filterWhole(text: string, createRedactor: (() => StreamRedactor) | null): string {
  const channel = new TextChannel(createRedactor, false)
  const filtered = channel.push(text) + channel.flush()
  if (channel.blocked) throw new Blocked()
  return filtered
}
