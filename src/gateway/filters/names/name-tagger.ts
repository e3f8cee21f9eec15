import { backwardStep, forwardStep, toFactors } from './chain.ts'
import { featuresOf, MOST_FEATURES, RIGHT_CONTEXT } from './features.ts'
import { type NamesModel, shippedNamesModel } from './model.ts'
import { beginTag, insideTag, NAME_ENTITIES, type NameEntity, STRIDE, TAGS } from './tags.ts'
import { CASE, LONGEST_TOKEN, Tokeniser, Tokens, WIDEST_GAP } from './tokens.ts'

/** Tokens after one whose evidence flows back to it. */
const LAG = 2
/** Tokens that must be there before one is decided. */
const AHEAD = LAG + RIGHT_CONTEXT
/** A longer name is cut in two, so that what is held back stays bounded. */
const LONGEST_NAME = 16
/** Tokens that are kept behind the one being decided: as far as features and sentence ends look back. */
const BEHIND = 4
/** Tokens whose messages are kept: more than are undecided and one before. */
const RING = 16
/** Tokens gone by before the columns are moved. */
const FORGET_AFTER = 192

/** Most units between `settled` and the end of what was pushed. */
export const NAMES_HOLD_BACK_CAP = (LONGEST_NAME + AHEAD + 1) * (LONGEST_TOKEN + WIDEST_GAP)

export interface NameSpan {
  readonly entity: NameEntity
  /** UTF-16 offsets in the whole text, end exclusive. */
  readonly start: number
  readonly end: number
  /** 0.5 … 1, the most certain token's; 0.5 is the recommended cut. */
  readonly score: number
}

/**
 * Finds names in a text that arrives in pieces. The spans are the same for every way to cut the same text, come in order and do not
 * overlap. Time linear in the text. Invisible signs are skipped, lone surrogates are signs like any other.
 */
export interface NameTagger {
  /** @returns the spans that are certain now. */
  push(delta: string): readonly NameSpan[]
  /** Ends the text. @returns the remaining spans. What is pushed next is a new text and counts from 0. */
  flush(): readonly NameSpan[]
  /** Before this offset no further span begins; at most `NAMES_HOLD_BACK_CAP` units behind what was pushed. */
  readonly settled: number
}

export function createNameTagger(model: NamesModel = shippedNamesModel()): NameTagger {
  return new ChainTagger(model)
}

/** All names of a whole text. */
export function findNames(text: string, model: NamesModel = shippedNamesModel()): readonly NameSpan[] {
  const tagger = createNameTagger(model)
  return [...tagger.push(text), ...tagger.flush()]
}

interface OpenName {
  readonly entity: number
  readonly start: number
  end: number
  score: number
  tokens: number
}

/** Fixed-lag smoothing (Rabiner 1989, §III): a token's tag is read off its posterior once `AHEAD` more tokens, or the end of its sentence, are there. */
class ChainTagger implements NameTagger {
  readonly #model: NamesModel
  readonly #tokens = new Tokens()
  readonly #tokeniser: Tokeniser
  readonly #features = new Int32Array(MOST_FEATURES)
  /** A ring of the last tokens' factors and forward messages; its size exceeds the lag. */
  readonly #scores = new Float64Array(RING * TAGS)
  readonly #forward = new Float64Array(RING * TAGS)
  readonly #backward = new Float64Array(2 * TAGS)
  readonly #odds: readonly number[]
  /** Next token to score, and to decide. */
  #scored = 0
  #decided = 0
  /** Tokens forgotten so far: the ring counts on. */
  #forgotten = 0
  #name: OpenName | null = null
  #spans: NameSpan[] = []

  constructor(model: NamesModel) {
    this.#model = model
    this.#odds = model.cuts.map((cut) => cut / (1 - cut))
    this.#tokeniser = new Tokeniser(
      this.#tokens,
      () => this.#advance(this.#tokens.size - RIGHT_CONTEXT, this.#tokens.size - AHEAD),
      () => {
        this.#advance(this.#tokens.size, this.#tokens.size)
        this.#close()
      },
    )
  }

  get settled(): number {
    const { start } = this.#tokens
    return this.#name ? this.#name.start : this.#decided < this.#tokens.size ? start[this.#decided]! : this.#tokeniser.openAt
  }

  push(delta: string): readonly NameSpan[] {
    this.#tokeniser.push(delta)
    return this.#taken()
  }

  flush(): readonly NameSpan[] {
    this.#tokeniser.flush()
    this.#forgotten += this.#tokens.size
    this.#tokens.size = this.#scored = this.#decided = 0
    return this.#taken()
  }

  #taken(): readonly NameSpan[] {
    const spans = this.#spans
    if (spans.length > 0) this.#spans = []
    return spans
  }

  /** Scores up to `scorable` and decides up to `decidable`, both exclusive. */
  #advance(scorable: number, decidable: number): void {
    for (; this.#scored < scorable; this.#scored++) this.#score(this.#scored)
    for (; this.#decided < decidable; this.#decided++) this.#decide(this.#decided)
    const past = this.#decided - BEHIND
    if (past < FORGET_AFTER) return
    this.#tokens.forget(past)
    this.#forgotten += past
    this.#scored -= past
    this.#decided -= past
  }

  #slot(token: number): number {
    return ((this.#forgotten + token) % RING) * TAGS
  }

  #score(i: number): void {
    const { weights, scale, factors } = this.#model
    const count = featuresOf(this.#tokens, i, this.#tokens.size, this.#features, true)
    let s0 = 0
    let s1 = 0
    let s2 = 0
    let s3 = 0
    let s4 = 0
    let s5 = 0
    let s6 = 0
    for (let k = 0; k < count; k++) {
      const at = this.#features[k]! * STRIDE
      s0 += weights[at]!
      s1 += weights[at + 1]!
      s2 += weights[at + 2]!
      s3 += weights[at + 3]!
      s4 += weights[at + 4]!
      s5 += weights[at + 5]!
      s6 += weights[at + 6]!
    }
    const slot = this.#slot(i)
    const scores = this.#scores
    scores[slot] = s0 * scale
    scores[slot + 1] = s1 * scale
    scores[slot + 2] = s2 * scale
    scores[slot + 3] = s3 * scale
    scores[slot + 4] = s4 * scale
    scores[slot + 5] = s5 * scale
    scores[slot + 6] = s6 * scale
    toFactors(scores, slot)
    forwardStep(factors, scores, this.#forward, this.#tokens.first[i] === 1 ? -1 : this.#slot(i - 1), slot)
  }

  /** Weighs what the next tokens say about token `i`. */
  #decide(i: number): void {
    const { first, start, end } = this.#tokens
    let last = i
    while (last < i + LAG && last + 1 < this.#scored && first[last + 1] === 0) last++
    const backward = this.#backward
    let from = 0
    backward.fill(1, 0, TAGS)
    for (let k = last; k > i; k--) {
      backwardStep(this.#model.factors, this.#scores, this.#slot(k), backward, from, backward, TAGS - from)
      from = TAGS - from
    }
    const slot = this.#slot(i)
    const posterior = (tag: number): number => this.#forward[slot + tag]! * backward[from + tag]!
    let total = 0
    for (let tag = 0; tag < TAGS; tag++) total += posterior(tag)
    let entity = -1
    let best = 0.5
    for (let e = 0; e < NAME_ENTITIES.length; e++) {
      const share = (posterior(beginTag(e)) + posterior(insideTag(e))) / total
      const score = share / (share + this.#odds[e]! * (1 - share))
      if (score < best || (score === best && entity >= 0)) continue
      best = score
      entity = e
    }
    if (entity < 0) {
      this.#close()
      return
    }
    const open = this.#name
    const goesOn =
      open !== null &&
      open.entity === entity &&
      first[i] === 0 &&
      open.tokens < LONGEST_NAME &&
      posterior(insideTag(entity)) >= posterior(beginTag(entity))
    const sign = this.#tokens.case[i] === CASE.sign
    if (goesOn) {
      // A sign belongs to a name only if a word of it follows: `Anna Smith,` is not one, `O'Brien` is.
      if (!sign) open.end = end[i]!
      open.score = Math.max(open.score, best)
      open.tokens++
      return
    }
    this.#close()
    if (sign) return
    this.#name = { entity, start: start[i]!, end: end[i]!, score: best, tokens: 1 }
  }

  #close(): void {
    const name = this.#name
    if (name === null) return
    this.#name = null
    this.#spans.push({ entity: NAME_ENTITIES[name.entity]!, start: name.start, end: name.end, score: name.score })
  }
}
