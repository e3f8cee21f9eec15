import type { EntityFacts, JsonObject, RedoubtError, ToolRules, UnreadableKind, UntrustedOrigin } from '#foundation/core'
import type { FilterPlan } from '#gateway/filters'
import type { Principal } from '#trust/identity'
import type { Cancellation } from './cancellation.ts'

/**
 * The port that an API surface (OpenAI chat, Open Inference Protocol, …) implements in `#gateway/routes`. A surface knows its
 * own wire format and nothing of identity, policy, limits, filters or the log; the pipeline knows these and no wire format.
 */
export interface Surface {
  readonly name: string
  /** Where reading of the body stops. */
  readonly maxBodyBytes: number
  /** The content type of its bodies; JSON unless said otherwise. */
  readonly contentType?: RegExp
  /**
   * Understands the body and names what it asks for. Pure: no I/O, no side effect.
   * @throws {RedoubtError} a precise 4xx when the body is not understood or names what does not exist.
   */
  resolve(ask: SurfaceAsk): Call
  renderError(error: RedoubtError, requestId: string): Rendered
  /** The surface's error event inside a stream that has started, with whatever ends such a stream. */
  renderStreamError(error: RedoubtError, requestId: string): string
}

export interface SurfaceAsk {
  readonly body: Uint8Array
  /** Variable parts of the path, in order. */
  readonly parameters: readonly string[]
  readonly principal: Principal
  /** A header of the request by its name in lower case; undefined when it was not sent. */
  readonly header: (name: string) => string | undefined
  /** Epoch milliseconds. */
  readonly now: number
}

/**
 * Returns what may pass of one text; throws to refuse the whole. `place` names the member for messages; `isName` is there for the name of a member that the caller
 * made up, which stands at the place of what it is a member of.
 */
export type TextFilter = (text: string, place: string, isName?: true) => string

/** Where a text of a request to a language model comes from. */
export type TextOrigin = 'system' | 'user' | 'assistant' | UntrustedOrigin

/** A part of a request that no filter can look into. */
export interface UnreadablePart {
  readonly kind: UnreadableKind
  /** Its place in the body. */
  readonly param: string
}

/** One understood request against one resolved model or upstream. */
export interface Call {
  readonly resource: EntityFacts
  /** The resource as it is now, for requests that are decided again while they run; left out when it never changes. */
  presentResource?(): EntityFacts
  /** What limits are counted under. */
  readonly endpoint: string
  /** The person the request is about, as the caller names them; null when it names none. */
  readonly subject: string | null
  /** Upper bounds known before serving: rows of the call, tokens reserved. */
  readonly cost: { readonly rows?: number; readonly tokens?: number }
  /** Facts for the record, without personal data: model version and digest, stream or not. */
  readonly details: JsonObject
  /**
   * What is wrong with a body that asks a model which is known. It may tell what the model takes: only who may invoke it hears it, and
   * to everyone else the decision is the answer. Such a call ends at the decision.
   */
  readonly fault?: RedoubtError
  /** What of the input no filter can read; refused unless the decision lets each of these kinds pass. Left out when there is none. */
  readonly unreadable?: readonly UnreadablePart[]
  /**
   * Told once, before `rewriteTexts`, what the decision says of tools. Left out where a surface knows none.
   * @throws {RedoubtError} for a request that offers the model a tool that it may not call.
   */
  admitTools?(rules: ToolRules): void
  /**
   * Passes every text that leaves towards the model through `filter`, in place. Called once before `serve`, and for a large body
   * once before that with a filter that changes nothing.
   */
  rewriteTexts(filter: TextFilter): void
  /** Where the text at a place, as the filter is told, comes from. This and the next three are there where a language model is asked. */
  originOf?(place: string): TextOrigin
  /**
   * Which message or document a text is said in, by a name of its own; null for names, ids and what else stands beside. Texts of one message touch when the
   * model reads them. Left out where texts have no neighbours.
   */
  saidIn?(place: string): string | null
  /** Passes each text of these origins through `mark`, in place, after all were filtered. */
  markTexts?(origins: readonly UntrustedOrigin[], mark: (text: string) => string): void
  /** Adds a line to the end of the system prompt. @returns whether there is one. */
  endSystemPrompt?(line: string): boolean
  /** Null while the model may go on serving; else why a running stream must be cut (quarantined, undeployed). */
  stillServable(): RedoubtError | null
  /**
   * Asks the model. The answer comes back whole and unfiltered, or has been streamed through the plan's redactor into `out`.
   * Rejects only before the first byte of a stream; after it every failure is a `StreamServed` with `failure`.
   */
  serve(io: ServeIo): Promise<Served>
}

export interface ServeIo {
  readonly requestId: string
  /** The person the request is about, named by the body or by header; null when nobody is named. */
  readonly subject: string | null
  readonly outputPlan: FilterPlan
  /**
   * Asks whether this request may go to another place than the one it was admitted for, and puts on record that it goes there.
   * @param details as those of the call.
   * @returns null once the record is durable; else why it may not.
   */
  readonly admitElsewhere: (resource: EntityFacts, details: JsonObject) => Promise<RedoubtError | null>
  /** Nothing of a stream may leave before a person has looked at it. */
  readonly holdAll: boolean
  readonly cancellation: Cancellation
  readonly out: StreamOut
}

/** Where a surface writes the events of a stream. */
export interface StreamOut {
  /** Sends status 200 and the headers of an event stream, and these; called once, before the first `write`. */
  start(headers: Readonly<Record<string, string>>): void
  /** @returns false when the client reads too slowly: stop until `onDrain` calls. */
  write(text: string): boolean
  onDrain(listener: () => void): void
}

export interface Usage {
  readonly tokens?: number
  readonly rows?: number
}

export type Served = WholeServed | StreamServed

export interface WholeServed {
  readonly kind: 'whole'
  /** Size of what is to be searched, roughly. */
  readonly bytes: number
  /** Shows every text of the answer, as `render` does, and changes nothing. */
  visitTexts(look: TextFilter): void
  /** As of a `Call`: which texts of the answer are shown one after another, by a name of their own. Left out where texts have no neighbours. */
  saidIn?(place: string): string | null
  /** The answer, each of its texts passed through `filter`; what did not go through the filter cannot be rendered. */
  render(filter: TextFilter): Rendered
  readonly usage: Usage
  /** Whether any row of an output has this value, as text; null where there is no such output. Left out where an answer has no outputs. */
  readonly hasValue?: (output: string, value: string) => boolean | null
  /** What a reviewer has to see beside the answer, such as the numbers that a prediction was made from. */
  readonly shown?: () => JsonObject
  /** What was answered about the subject; sealed under the subject's key. Only when the call names a subject. */
  readonly personal?: JsonObject
}

export interface StreamServed {
  readonly kind: 'stream'
  /** The closing events, not yet written: they leave only when the completion is durable. */
  readonly closing: string
  readonly usage: Usage
  /** SHA-256 (hex) of the text that left; the pipeline keys it before it is recorded. */
  readonly outputDigest: string
  readonly findings: ReadonlyMap<string, number>
  /** Count per entity and what was done: `EMAIL_ADDRESS=mask`. */
  readonly actions: ReadonlyMap<string, number>
  readonly blocked: boolean
  /** Units of confidential matches that had left before they were found; left out where none had. */
  readonly left?: number
  readonly failure: RedoubtError | null
  /** There when a person has to look at it: the closing events are then the pipeline's. */
  readonly held?: HeldStream
}

/** A stream as it would have gone to the client, but for what a person has to look at. */
export interface HeldStream {
  readonly text: string
  readonly findings: ReadonlyMap<string, number>
  readonly actions: ReadonlyMap<string, number>
}

export interface Rendered {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}
