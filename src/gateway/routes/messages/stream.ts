import { RedoubtError } from '#foundation/core'
import { readUpstreamError } from '#gateway/serving'
import type { TextChannel } from '../chat-completions/text-channel.ts'
import type { Branch, Tree } from '../chat-completions/texts.ts'
import { numbersOnly, readInputOutput } from '../chat-completions/usage.ts'
import { EventStream } from '../event-stream.ts'
import type { StreamOptions } from '../language-protocol.ts'
import { isBranch } from '../request-members.ts'
import { formatSse, type SseEvent } from '../sse.ts'
import { isWord, protocol } from '../upstream-answer.ts'
import { dropTokenIds } from '../token-ids.ts'
import { resultKind } from '../tools/hosted.ts'
import { type AskedTool, demandAsked } from '../tools/tool-guard.ts'
import { type AnsweredMessage, callOf, refuseUnreadable } from './answer.ts'
import { anthropicErrorEvent } from './errors.ts'
import type { MessagesRequest } from './request.ts'

const MAX_BLOCKS = 1024

/** The texts that come in pieces, by the type of their delta, with the member that carries a piece; `json` is null where the request says it. */
const DELTAS: Readonly<Record<string, { readonly member: string; readonly json: boolean | null; readonly blocks: readonly string[] }>> = {
  text_delta: { member: 'text', json: null, blocks: ['text'] },
  thinking_delta: { member: 'thinking', json: false, blocks: ['thinking'] },
  signature_delta: { member: 'signature', json: false, blocks: ['thinking'] },
  input_json_delta: { member: 'partial_json', json: true, blocks: ['tool_use', 'server_tool_use'] },
}

interface Block {
  readonly index: number
  readonly type: string
  /** The tool that is called, and its input where it waits until it is whole. */
  readonly tool: string | null
  held: string
  /** The text that is being told, and the type of its deltas. */
  telling: { readonly delta: string; readonly text: TextChannel } | null
  /** Kinds of deltas that have ended: none begins again. */
  readonly told: Set<string>
}

/**
 * The stream of `POST /v1/messages`. Each block has a channel of its own; a value that may not leave ends the message with the stop reason
 * `refusal`, which is what this API says when a classifier steps in.
 */
export class MessagesStream extends EventStream {
  readonly #jsonAnswer: boolean
  #begun = false
  /** The block that has begun for the client, and not ended. */
  #shown: number | null = null
  #block: Block | null = null
  #next = 0
  #stopped = false
  #usage: Branch = {}

  readonly #asked: readonly AskedTool[]

  constructor({ jsonAnswer, tools = [], promptTokens }: AnsweredMessage & Pick<MessagesRequest, 'promptTokens'>, options: StreamOptions) {
    super(options, promptTokens)
    this.#jsonAnswer = jsonAnswer
    this.#asked = tools
  }

  protected take(event: SseEvent): string {
    const data = this.objectOf(event)
    const { type } = data
    if (event.event !== '' && event.event !== type) throw protocol('an event of the stream has two names')
    switch (type) {
      case 'ping':
        return send({ type: 'ping' })
      case 'error':
        throw new RedoubtError('ERR_UPSTREAM_REFUSED', 'the upstream broke off with an error', { evidence: readUpstreamError(data) })
      case 'message_start':
        return this.#start(data['message'])
      case 'content_block_start':
        return this.#blockStart(data)
      case 'content_block_delta':
        return this.#delta(data)
      case 'content_block_stop':
        return this.#blockStop(data)
      case 'message_delta':
        return this.#messageDelta(data)
      case 'message_stop':
        if (!this.#stopped) throw protocol('the message has no stop reason')
        this.complete()
        return ''
      default:
        // What is not known could carry a text in pieces, so it does not go out.
        return ''
    }
  }

  #start(message: Tree | undefined): string {
    if (this.#begun) throw protocol('the message begins twice')
    if (!isBranch(message) || message['role'] !== 'assistant') throw protocol('the stream is not a message of the assistant')
    this.#begun = true
    const { id, usage } = message
    this.#count(usage)
    return send({
      type: 'message_start',
      message: {
        id: typeof id === 'string' ? this.once(id) : this.options.requestId,
        type: 'message',
        role: 'assistant',
        model: this.options.publicModel,
        content: [],
        stop_reason: null,
        stop_sequence: null,
        usage: { input_tokens: 0, output_tokens: 0, ...this.#usage },
      },
    })
  }

  #blockStart({ index, content_block: content }: Branch): string {
    if (!this.#begun || this.#stopped || this.#block !== null) throw protocol('a block begins where none may')
    if (index !== this.#next || this.#next >= MAX_BLOCKS) throw protocol('a block has no valid index')
    if (!isBranch(content)) throw protocol('a block is not an object')
    const { type } = content
    const at = this.#next
    this.#next++
    let begins: Branch
    demandAsked(callOf(content), this.#asked)
    for (const { name, hosted } of callOf(content)) if (hosted === true) this.options.tools?.called(name, true)
    switch (type) {
      case 'text':
        begins = { type, text: '' }
        break
      case 'thinking':
        begins = { type, thinking: '', signature: '' }
        break
      case 'redacted_thinking':
        // Cipher text of the upstream: whole, and looked at all the same.
        begins = { type, data: this.#wholeText(content['data']) }
        break
      case 'tool_use':
        if (isBranch(content['input']) && Object.keys(content['input']).length > 0) throw protocol('a tool begins with its input')
        begins = { type, id: this.#wholeText(content['id']), name: this.#wholeText(content['name']), input: {} }
        break
      case 'server_tool_use':
        if (isBranch(content['input']) && Object.keys(content['input']).length > 0) throw protocol('a tool begins with its input')
        begins = { type, id: this.#wholeText(content['id']), name: this.#wholeText(content['name']), input: {} }
        break
      default:
        if (resultKind(type) === null) throw protocol('a block is of no known type')
        // What a tool brought comes whole.
        refuseUnreadable(content)
        dropTokenIds(content)
        this.whole(content)
        begins = content
    }
    const tool = type === 'tool_use' ? (content['name'] as string) : null
    if (tool !== null) this.options.tools?.called(tool)
    this.#block = { index: at, type: type as string, tool, held: '', telling: null, told: new Set() }
    const started = this.behind(() => {
      this.#shown = at
      return send({ type: 'content_block_start', index: at, content_block: begins })
    })
    // A block may begin with its first words.
    const first = type === 'text' ? content['text'] : type === 'thinking' ? content['thinking'] : ''
    return typeof first === 'string' && first !== '' ? started + this.#piece(this.#block, `${this.#block.type}_delta`, first) : started
  }

  #delta({ index, delta }: Branch): string {
    const block = this.#openBlock(index)
    if (!isBranch(delta)) throw protocol('a delta is not an object')
    const { type } = delta
    if (type === 'citations_delta') {
      const { citation } = delta
      if (!isBranch(citation)) throw protocol('a citation is not an object')
      dropTokenIds(citation)
      this.whole(citation)
      return this.behind(() => send({ type: 'content_block_delta', index: block.index, delta: { type, citation } }))
    }
    const kind = typeof type === 'string' && Object.hasOwn(DELTAS, type) ? DELTAS[type] : undefined
    if (kind === undefined) return ''
    if (!kind.blocks.includes(block.type)) throw protocol('a delta does not fit its block')
    const piece = delta[kind.member]
    if (typeof piece !== 'string') throw protocol('a delta has no text')
    if (block.tool === null || this.options.tools?.holdsArguments !== true)
      return piece === '' ? '' : this.#piece(block, type as string, piece)
    block.held += piece
    return ''
  }

  #piece(block: Block, delta: string, piece: string): string {
    let before = ''
    if (block.telling?.delta !== delta) {
      before = this.#endTelling(block)
      if (this.state !== 'open') return before
      if (block.told.has(delta)) throw protocol('a text goes on after its end')
      block.told.add(delta)
      block.telling = { delta, text: this.channel(DELTAS[delta]?.json ?? this.#jsonAnswer, delta !== 'signature_delta') }
    }
    const { text } = block.telling
    return before + this.told(text, piece, (out) => this.#sendPiece(block, delta, out))
  }

  #endTelling(block: Block): string {
    const { telling } = block
    block.telling = null
    return telling === null ? '' : this.toldAll(telling.text, (out) => this.#sendPiece(block, telling.delta, out))
  }

  #sendPiece({ index }: Block, delta: string, piece: string): string {
    const member = DELTAS[delta]?.member
    return piece === '' || member === undefined ? '' : send({ type: 'content_block_delta', index, delta: { type: delta, [member]: piece } })
  }

  #blockStop({ index }: Branch): string {
    const block = this.#openBlock(index)
    const rest = this.#endInput(block) + this.#endTelling(block)
    // A value was found at the very end: the block is closed with the message.
    if (this.state !== 'open') return rest
    this.#block = null
    return (
      rest +
      this.behind(() => {
        this.#shown = null
        return send({ type: 'content_block_stop', index: block.index })
      })
    )
  }

  /** Nothing of an input leaves before it was checked where it has to be. */
  #endInput(block: Block): string {
    const { tools } = this.options
    if (block.tool === null || tools?.holdsArguments !== true) return ''
    tools.checked(block.tool, block.held)
    return block.held === '' ? '' : this.#piece(block, 'input_json_delta', block.held)
  }

  #openBlock(index: Tree | undefined): Block {
    if (this.#block === null || index !== this.#block.index) throw protocol('an event is about a block that is not open')
    return this.#block
  }

  #messageDelta({ delta, usage }: Branch): string {
    if (!this.#begun || this.#block !== null) throw protocol('the message ends where it may not')
    if (!isBranch(delta)) throw protocol('the end of the message is not an object')
    this.#count(usage)
    const { stop_reason: reason, stop_sequence: sequence } = delta
    if (!isWord(reason)) throw protocol('the message has no stop reason')
    const rest = this.drained()
    if (this.state !== 'open') return rest
    this.#stopped = true
    const stopSequence = typeof sequence === 'string' ? this.once(sequence) : null
    return rest + send({ type: 'message_delta', delta: { stop_reason: reason, stop_sequence: stopSequence }, usage: this.#usage })
  }

  /** The counts of a message grow; the last ones count. */
  #count(usage: Tree | undefined): void {
    if (!isBranch(usage)) return
    this.#usage = { ...this.#usage, ...numbersOnly(usage) }
    this.counted = readInputOutput(this.#usage)
  }

  #wholeText(value: Tree | undefined): string {
    if (typeof value !== 'string') throw protocol('a block lacks a text')
    return this.filtered(value)
  }

  protected lastEvents(blocked: boolean): string {
    if (!blocked) return send({ type: 'message_stop' })
    if (!this.#begun) return anthropicErrorEvent(new RedoubtError('ERR_FILTER_BLOCKED_OUTPUT'), this.options.requestId)
    const open = this.#shown === null ? '' : send({ type: 'content_block_stop', index: this.#shown })
    const usage = { output_tokens: this.usage().completionTokens, ...this.#usage }
    const end = send({ type: 'message_delta', delta: { stop_reason: 'refusal', stop_sequence: null }, usage })
    return open + end + send({ type: 'message_stop' })
  }

  protected errorEvent(error: RedoubtError): string {
    return anthropicErrorEvent(error, this.options.requestId)
  }
}

const send = (data: Branch & { readonly type: string }): string => formatSse(JSON.stringify(data), data.type)
