import { RedoubtError } from '#foundation/core'
import { readUpstreamError } from '#gateway/serving'
import type { Branch, TextFilter, Tree } from '../chat-completions/texts.ts'
import { readInputOutput } from '../chat-completions/usage.ts'
import { EventStream } from '../event-stream.ts'
import { readTokens, writeTokens } from '../log-probabilities/tokens.ts'
import { unchangedTokens } from '../log-probabilities/whole-text.ts'
import type { StreamOptions } from '../language-protocol.ts'
import { isBranch } from '../request-members.ts'
import { formatSse, type SseEvent } from '../sse.ts'
import { dropTokenIds } from '../token-ids.ts'
import { type AskedTool, demandAsked } from '../tools/tool-guard.ts'
import { isWord, protocol } from '../upstream-answer.ts'
import { type AnsweredRequest, callsOf, itemsOf, refuseFailed, rewriteItem, rewriteResponse, writtenResponse } from './answer.ts'
import { blankItem, blankPart } from './blank.ts'
import { responsesErrorEvent } from './errors.ts'
import { indexText, keyOf, MAX_INDEX, placeOf } from './places.ts'
import { hideItemTexts, hideText } from './repeated-texts.ts'
import type { ResponsesRequest } from './request.ts'
import { SPELLED, StreamedTexts, TEXTS } from './streamed-texts.ts'

/** The texts that a tool is called with. */
const CALLED: ReadonlySet<string> = new Set(['response.function_call_arguments', 'response.custom_tool_call_input'])
/** How far a tool has come that the upstream runs; nothing but the place goes out. */
const PROGRESS =
  /^response\.(?:(?:web_search|file_search|code_interpreter|mcp)_call|mcp_list_tools)\.(?:in_progress|searching|interpreting|completed|failed)$/

/**
 * The stream of `POST /v1/responses`. Pieces of a text go through a channel of their own; what is repeated whole at the end of a text, an
 * item and the response is filtered whole. Events that are not known do not go out: they could carry a text in pieces. A value that may
 * not leave ends the response as `incomplete`, for the reason `content_filter`.
 */
export class ResponsesStream extends EventStream {
  readonly #jsonAnswer: boolean
  readonly #texts: StreamedTexts
  readonly #items: Branch[] = []
  /** The tools that are called, by the place of the call. */
  readonly #calls = new Map<string, string | null>()
  #response: Branch | null = null
  #last = ''
  #sequence = 0

  readonly #asked: readonly AskedTool[]

  constructor({ jsonAnswer, tools = [], promptTokens }: AnsweredRequest & Pick<ResponsesRequest, 'promptTokens'>, options: StreamOptions) {
    super(options, promptTokens)
    this.#jsonAnswer = jsonAnswer
    this.#texts = new StreamedTexts(jsonAnswer, (json) => this.channel(json, true))
    this.#asked = tools
  }

  protected take(event: SseEvent): string {
    const data = this.objectOf(event)
    const { type } = data
    if (typeof type !== 'string' || (event.event !== '' && event.event !== type)) throw protocol('an event of the stream has no clear name')
    if (type === 'error' || (data['error'] ?? null) !== null)
      throw new RedoubtError('ERR_UPSTREAM_REFUSED', 'the upstream broke off with an error', {
        evidence: readUpstreamError(isBranch(data['error']) ? data : { error: data }),
      })
    const cut = type.lastIndexOf('.')
    const [name, phase] = [type.slice(0, cut), type.slice(cut + 1)]
    if (Object.hasOwn(TEXTS, name)) {
      if (phase === 'delta') return this.#delta(name, data)
      return phase === 'done' ? this.#done(name, data) : ''
    }
    if (PROGRESS.test(type)) return this.#send(type, data, {})
    switch (type) {
      case 'response.output_text.annotation.added':
        return this.#annotation(type, data)
      case 'response.created':
      case 'response.queued':
      case 'response.in_progress':
        return this.#snapshot(type, data['response'])
      case 'response.output_item.added':
        return this.#itemBegins(type, data)
      case 'response.content_part.added':
      case 'response.reasoning_summary_part.added':
        return this.#send(type, data, { part: blankPart(this.#object(data['part'])) })
      case 'response.content_part.done':
      case 'response.reasoning_summary_part.done':
        return this.#wholePart(type, data)
      case 'response.output_item.done':
        return this.#wholeItem(type, data)
      case 'response.completed':
      case 'response.incomplete':
      case 'response.failed':
        return this.#end(type, data['response'])
      default:
        return ''
    }
  }

  /** Where a text is from: whole, and counted with the item that repeats it. */
  #annotation(type: string, data: Branch): string {
    const annotation = this.#object(data['annotation'])
    dropTokenIds(annotation)
    this.whole(annotation, this.again)
    return this.#send(type, data, { annotation, annotation_index: Number(indexText(data['annotation_index']) || 0) })
  }

  #snapshot(type: string, value: Tree | undefined): string {
    const response = this.#object(value)
    refuseFailed(response)
    rewriteResponse(response, this.#filter(false), this.#jsonAnswer)
    this.#response = { ...writtenResponse(response, this.options.publicModel, 'in_progress', this.options.now), output: [] }
    return this.#send(type, {}, { response: this.#response })
  }

  #itemBegins(type: string, data: Branch): string {
    const item = this.#object(data['item'])
    const { tools } = this.options
    demandAsked(callsOf([item]), this.#asked)
    // What it is called with comes later.
    for (const { name, hosted } of tools === null ? [] : callsOf([item])) {
      tools?.called(name, hosted)
      if (this.#calls.size >= MAX_INDEX) throw protocol('the response calls too many tools')
      this.#calls.set(indexText(data['output_index']), name)
    }
    return this.#send(type, data, { item: blankItem(item, this.#once) })
  }

  #delta(name: string, data: Branch): string {
    const { delta } = data
    if (typeof delta !== 'string') throw protocol('a delta is not a text')
    // It is told whole, once it was checked.
    if (this.#toolOf(name, data) !== null && this.options.tools?.holdsArguments === true) return ''
    if (name === SPELLED) this.#texts.spell(data, delta)
    return delta === '' ? '' : this.told(this.#texts.channelOf(name, data), delta, (out) => this.#piece(name, data, out))
  }

  #piece(name: string, data: Branch, piece: string): string {
    if (piece === '') return ''
    const tokens = this.#texts.leaves(keyOf(name, data), piece)
    const logprobs = name === SPELLED ? { logprobs: writeTokens(tokens) } : {}
    return this.#written(`${name}.delta`, placeOf(data, this.#once), { delta: piece, ...logprobs })
  }

  #done(name: string, data: Branch): string {
    const { member } = TEXTS[name]!
    const whole = data[member]
    if (typeof whole !== 'string') throw protocol('a text ends without itself')
    const key = keyOf(name, data)
    const tool = this.#toolOf(name, data)
    if (tool !== null && typeof data['name'] === 'string' && data['name'] !== tool) throw protocol('a call changes its name')
    if (tool !== null) this.options.tools?.checked(tool, whole)
    let out = ''
    // Some servers tell a text only when it is whole.
    if (!this.#texts.has(key) && whole !== '')
      out += this.told(this.#texts.channelOf(name, data), whole, (piece) => this.#piece(name, data, piece))
    const channel = this.#texts.openChannel(key)
    if (channel !== undefined && this.state === 'open') out += this.toldAll(channel, (piece) => this.#piece(name, data, piece))
    if (this.state !== 'open') return out
    this.#texts.end(key)
    const more = name === 'response.function_call_arguments' && typeof data['name'] === 'string' ? { name: this.#once(data['name']) } : {}
    const tokens = readTokens(data['logprobs'])
    const place = placeOf(data, this.#once)
    return (
      out +
      this.behind(() => {
        this.#texts.forgetTokens(key)
        // What has gone out in pieces, and nothing else.
        const text = this.#texts.sentOf(key)
        const spelled = unchangedTokens(tokens, { raw: whole, out: text, json: this.#texts.isJson(name) }, null)
        const logprobs = name === SPELLED ? { logprobs: writeTokens(spelled) } : {}
        return this.#written(`${name}.done`, place, { [member]: text, ...more, ...logprobs })
      })
    )
  }

  /** The tool whose call a text belongs to; null for any other text, and where no policy speaks of tools. @throws {Blocked} */
  #toolOf(name: string, data: Branch): string | null {
    const { tools } = this.options
    if (tools === null || !CALLED.has(name)) return null
    const tool = this.#calls.get(indexText(data['output_index'])) ?? null
    if (tool === null) throw protocol('a call has arguments and no beginning')
    return tool
  }

  #wholePart(type: string, data: Branch): string {
    const part = this.#object(data['part'])
    const showTold = hideText(part, data['output_index'], data['content_index'] ?? data['summary_index'], this.#texts)
    rewriteItem({ content: [part] }, this.#filter(!this.#texts.hasInItem(data['output_index'])), this.#jsonAnswer)
    const place = placeOf(data, this.#once)
    return this.behind(() => {
      showTold()
      return this.#written(type, place, { part })
    })
  }

  #wholeItem(type: string, data: Branch): string {
    if (this.#texts.hasOpenInItem(data['output_index'])) throw protocol('an item ends before its texts')
    const item = this.#object(data['item'])
    demandAsked(callsOf([item]), this.#asked)
    this.options.tools?.made(callsOf([item]))
    const showTold = hideItemTexts(item, data['output_index'], this.#texts)
    rewriteItem(item, this.#filter(!this.#texts.hasInItem(data['output_index'])), this.#jsonAnswer)
    const place = placeOf(data, this.#once)
    return this.behind(() => {
      showTold()
      this.#items.push(item)
      return this.#written(type, place, { item })
    })
  }

  #end(type: string, value: Tree | undefined): string {
    const response = this.#object(value)
    if (type === 'response.failed') refuseFailed({ ...response, status: 'failed' })
    refuseFailed(response)
    if (this.#texts.hasOpen) throw protocol('the response ends before its texts')
    const rest = this.drained()
    if (this.state !== 'open') return rest
    this.counted = readInputOutput(response['usage'])
    demandAsked(callsOf(itemsOf(response['output'])), this.#asked)
    this.options.tools?.made(callsOf(itemsOf(response['output'])))
    // What no item of the stream has told is looked at here for the first time.
    const showsTold = itemsOf(response['output']).map((item, i) => hideItemTexts(item, i, this.#texts))
    rewriteResponse(response, this.#filter(this.#items.length === 0), this.#jsonAnswer)
    for (const showTold of showsTold) showTold()
    const details = response['incomplete_details']
    if (isBranch(details) && !isWord(details['reason'])) throw protocol('the reason of an incomplete response is not a word')
    const status = type.slice('response.'.length)
    this.#last = this.#send(type, {}, { response: writtenResponse(response, this.options.publicModel, status, this.options.now) })
    this.complete()
    return rest
  }

  protected lastEvents(blocked: boolean): string {
    if (!blocked) return this.#last
    if (this.#response === null) return this.errorEvent(new RedoubtError('ERR_FILTER_BLOCKED_OUTPUT'))
    const { promptTokens, completionTokens, totalTokens } = this.usage()
    const response: Branch = {
      ...this.#response,
      status: 'incomplete',
      incomplete_details: { reason: 'content_filter' },
      output: this.#items,
      usage: {
        input_tokens: promptTokens,
        input_tokens_details: { cached_tokens: 0 },
        output_tokens: completionTokens,
        output_tokens_details: { reasoning_tokens: 0 },
        total_tokens: totalTokens,
      },
    }
    return this.#send('response.incomplete', {}, { response })
  }

  protected errorEvent(error: RedoubtError): string {
    return responsesErrorEvent(error, this.options.requestId, this.#sequence++)
  }

  /** @param counted Whether what is found counts: what repeats a text that came in pieces was counted with it. */
  #filter(counted: boolean): TextFilter {
    return counted ? this.filterCounted : this.again
  }

  readonly #once = (text: string): string => {
    if (text.length > 512) throw protocol('an identifier is too long')
    return this.again(text)
  }

  #object(value: Tree | undefined): Branch {
    if (!isBranch(value)) throw protocol('an event lacks what it is about')
    return value
  }

  /** One event with the place that it is about and nothing else of the upstream's; counted anew, since some were left out and some added. */
  #send(type: string, about: Branch, rest: Branch): string {
    const place = placeOf(about, this.#once)
    return this.behind(() => this.#written(type, place, rest))
  }

  #written(type: string, place: Branch, rest: Branch): string {
    return formatSse(JSON.stringify({ type, sequence_number: this.#sequence++, ...place, ...rest }), type)
  }
}
