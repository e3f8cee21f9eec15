import type { OpenEnd } from '#gateway/filters'
import { type Context, contextBehind, NO_CONTEXT, type StreamedCrossing } from '#gateway/pipeline'
import type { TextChannel } from './chat-completions/text-channel.ts'
import { protocol } from './upstream-answer.ts'

/** Events that wait for what a text turns out to be: many times what any API has between two texts. */
const MOST_WAITING = 1024

/** Something to go out behind what waits, made when its turn has come; null when it is nothing. */
type Entry<Out> = () => Out | null

/**
 * The texts of one answer, which are told one after another, and what stands between them. Where a value may go on in the next text, the end of one and all
 * that follows it waits until the next has shown enough: in order, so that no text goes on behind the event that ended it.
 */
export class TextsInTurn<Out> {
  readonly #create: (() => StreamedCrossing) | null
  readonly #isOver: () => boolean
  /** The text that is being told. */
  #telling: TextChannel | null = null
  #crossing: StreamedCrossing | null = null
  /** What stands before it. */
  #context: Context = NO_CONTEXT
  /** With the number of the text behind which it stands. */
  readonly #waiting: { readonly text: number; readonly entry: Entry<Out> }[] = []
  /** Whether the text that is being told waits to be opened. */
  #isWaiting = false

  /** @param create null where nothing may lie over two texts. @param isOver nothing more may go out. */
  constructor(create: (() => StreamedCrossing) | null, isOver: () => boolean) {
    this.#create = create
    this.#isOver = isOver
  }

  /** Whether what comes now may have to wait. */
  get isCrossing(): boolean {
    return this.#crossing !== null
  }

  /** The next piece of a text. @param show what goes out for what may leave of it. */
  push(channel: TextChannel, piece: string, show: (text: string) => Out | null): Out[] {
    if (channel.openEnd === null) return this.behind(() => show(channel.push(piece)))
    const out = this.turnTo(channel)
    const text = channel.push(piece)
    if (this.#crossing === null) return [...out, ...shown(() => show(text))]
    if (!this.#isWaiting) this.#wait(() => show(channel.open()))
    this.#isWaiting = true
    this.#crossing.read(false)
    return [...out, ...this.#settle()]
  }

  /** A text ends, or is interrupted. @param show ends it, and says what goes out. */
  end(channel: TextChannel, show: Entry<Out>): Out[] {
    channel.ended()
    const end = channel.openEnd
    if (channel === this.#telling) {
      this.#telling = null
      this.#isWaiting = false
      if (this.#crossing !== null) this.#crossing.read(true)
      else if (end !== null) this.#leave(end)
    }
    if (this.#crossing === null) return shown(show)
    this.#wait(show)
    return this.#settle()
  }

  /** Anything else, behind what waits. */
  behind(entry: Entry<Out>): Out[] {
    if (this.#waiting.length === 0) return shown(entry)
    this.#wait(entry)
    return []
  }

  /** No text follows. @returns what has waited. */
  drain(): Out[] {
    this.#telling = null
    this.#isWaiting = false
    if (this.#crossing === null) return []
    this.#crossing.finish()
    return this.#settle()
  }

  /** The text that is told next, which may be the one that was told last. */
  turnTo(channel: TextChannel): Out[] {
    const before = this.#telling
    if (channel === before || this.#create === null || channel.openEnd === null) return []
    // A text that goes on before it is known what its beginning was.
    const out = this.#crossing?.has(channel.openEnd) === true ? this.drain() : []
    if (this.#crossing !== null && before !== null) this.#crossing.read(true)
    if (this.#crossing === null && before !== null && before.openEnd !== null) this.#leave(before.openEnd)
    this.#telling = channel
    this.#isWaiting = false
    this.#crossing?.next(channel.openEnd)
    return out
  }

  /** A text has ended, or another one goes on. */
  #leave(end: OpenEnd): void {
    if (this.#create !== null && end.isOpen) {
      this.#crossing = this.#create()
      this.#crossing.begin(end, this.#context)
    } else this.#context = contextBehind(this.#context, end)
  }

  /** @throws {RedoubtError} `ERR_UPSTREAM_PROTOCOL`: what holds nothing of a text would wait without end. */
  #wait(entry: Entry<Out>): void {
    if (this.#waiting.length >= MOST_WAITING) throw protocol('too much stands between two texts of the stream')
    this.#waiting.push({ text: (this.#crossing?.texts ?? 0) - 1, entry })
  }

  /** Lets go what is decided. */
  #settle(): Out[] {
    const crossing = this.#crossing
    if (crossing === null) return []
    const decided = crossing.settle()
    const ended = this.#telling === null
    if (decided >= crossing.texts - (ended ? 0 : 1)) {
      this.#context = crossing.context
      this.#crossing = null
      this.#isWaiting = false
      return this.#let(Infinity)
    }
    return this.#let(decided)
  }

  #let(decided: number): Out[] {
    const out: Out[] = []
    while (this.#waiting.length > 0 && this.#waiting[0]!.text < decided) {
      const { entry } = this.#waiting.shift()!
      if (this.#isOver()) continue
      out.push(...shown(entry))
    }
    return out
  }
}

function shown<Out>(entry: Entry<Out>): Out[] {
  const out = entry()
  return out === null ? [] : [out]
}
