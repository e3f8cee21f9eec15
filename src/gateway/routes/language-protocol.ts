import type { RedoubtError } from '#foundation/core'
import type { Rendered, StreamedCrossing, SurfaceAsk, TextFilter, UnreadablePart } from '#gateway/pipeline'
import type { UpstreamApi } from '#gateway/serving'
import type { Branch } from './chat-completions/texts.ts'
import type { StreamRedactor } from './chat-completions/text-channel.ts'
import type { TokenUsage } from './chat-completions/usage.ts'
import type { AskedTool, ToolCallMade, ToolGuard } from './tools/tool-guard.ts'

/** A request for a language model that was checked, with its texts open to a filter. Owned by one call. */
export interface LanguageRequest {
  /** The public name of the model. */
  readonly model: string
  readonly stream: boolean
  /** The person the client speaks for, as the client names them. */
  readonly subject: string | null
  /** An upper estimate of the prompt's tokens. */
  readonly promptTokens: number
  /** What no filter can look into. */
  readonly unreadable: readonly UnreadablePart[]
  /** The body as it was read, which `rewriteTexts` changes: what is said of it is said by place. */
  readonly tree: Branch
  /** The tools that the model is offered or told to call; left out where the API has none. */
  readonly tools?: readonly AskedTool[]
  /** Tokens to take from a quota before the call. */
  reservation(): number
  /** Passes every text that would leave through `filter`, in place. */
  rewriteTexts(filter: TextFilter): unknown
  /** @param pseudonym stands for the person at the upstream; null leaves the person out. */
  toUpstream(upstreamModel: string, pseudonym: string | null): string
}

/** A whole answer, with its texts open to a filter. */
export interface LanguageAnswer {
  /** @param quiet filters without counting, for what might have stood in the place of a text; where it is missing, that does not go out. */
  rewriteTexts(filter: TextFilter, quiet?: TextFilter): unknown
  usage(promptTokens: number): TokenUsage
  /** The calls of tools; left out where the API has none. Asked for before any text is rewritten. */
  toolCalls?(): readonly ToolCallMade[]
  /** The body for the client. @param now epoch milliseconds, for an upstream that does not date its answer. */
  toClient(publicModel: string, now: number): string
}

/** `open` while the upstream talks; then once and for all how it ended. */
export type StreamState = 'open' | 'complete' | 'blocked' | 'failed'

/** Turns the upstream's stream into the client's; see `ChatStreamTransformer`, the first of them. */
export interface LanguageStream {
  readonly state: StreamState
  /** Why the stream failed; null otherwise. */
  readonly error: RedoubtError | null
  /** Takes the upstream's next bytes and returns what may be written. Never throws. */
  push(chunk: Uint8Array): string
  /** The upstream's body ended. */
  end(): void
  /** Ends the stream with an error event. Does nothing when it has ended already. */
  fail(error: RedoubtError): void
  /** The last bytes for the client, to be written when the completion is on record. */
  closing(): string
  usage(): TokenUsage
}

export interface StreamOptions {
  readonly publicModel: string
  /** Makes one redactor for each text of the answer. */
  readonly createRedactor: () => StreamRedactor
  /** As `createRedactor`, for what repeats a text that was looked at: what is found is not counted again. */
  readonly createSilentRedactor: () => StreamRedactor
  /** Makes the search for values that lie over neighbouring texts; null where there can be none. */
  readonly createCrossing: (() => StreamedCrossing) | null
  /** Says which tools may be called; null where no policy speaks of tools. */
  readonly tools: ToolGuard | null
  readonly requestId: string
  /** Epoch milliseconds. */
  readonly now: number
}

/** One API of language models: its words, without identity, policy or transport. */
export interface LanguageProtocol<Request extends LanguageRequest = LanguageRequest> {
  /** Name in the record. */
  readonly name: string
  /** What an upstream has to speak. */
  readonly api: UpstreamApi
  /** Path below the base address of an upstream. */
  readonly operation: string
  readonly maxBodyBytes: number
  /** Request headers that go on to the upstream, in lower case; their values are checked to be short plain words. */
  readonly passedHeaders?: readonly string[]
  /** @throws {RedoubtError} a precise 4xx. */
  parseRequest(body: Uint8Array, ask: SurfaceAsk): Request
  /** @throws {RedoubtError} `ERR_UPSTREAM_PROTOCOL`. */
  parseAnswer(body: Uint8Array, request: Request): LanguageAnswer
  /** Absent where nothing streams: then no request has `stream`. */
  openStream?(request: Request, options: StreamOptions): LanguageStream
  headers(requestId: string, processingMs?: number): Record<string, string>
  renderError(error: RedoubtError, requestId: string): Rendered
  renderStreamError(error: RedoubtError, requestId: string): string
}
