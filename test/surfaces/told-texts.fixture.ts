/** Answers of several texts in the shapes of each surface, whole and as a stream, and what a client reads in them. */
export type Texts = readonly string[]

export interface Shape {
  readonly surface: 'chat completions' | 'messages' | 'responses'
  readonly what: string
  /** Which of the texts are JSON: `{"note": …}`. */
  readonly json: readonly boolean[]
  readonly whole: (texts: Texts) => object
  /** @param size of the pieces, in UTF-16 units. */
  readonly stream: (texts: Texts, size: number) => string
}

// oxlint-disable-next-line typescript/no-explicit-any -- what a test reads of JSON
type Json = any

const sse = (data: object, event?: string): string => `${event === undefined ? '' : `event: ${event}\n`}data: ${JSON.stringify(data)}\n\n`
const named = (data: { readonly type: string }): string => sse(data, data.type)
const pieces = (text: string, size: number): Texts =>
  Array.from({ length: Math.ceil(text.length / size) }, (_, i) => text.slice(i * size, (i + 1) * size))
const written = (json: boolean, text: string): string => (json ? JSON.stringify({ note: text }) : text)

// Messages

type BlockType = 'text' | 'thinking' | 'tool_use'
const DELTA = {
  text: ['text_delta', 'text'],
  thinking: ['thinking_delta', 'thinking'],
  tool_use: ['input_json_delta', 'partial_json'],
} as const
const USAGE = { input_tokens: 1, output_tokens: 1 }
const beginning = (type: BlockType, i: number): object =>
  type === 'tool_use'
    ? { type, id: `t${i}`, name: 'f', input: {} }
    : type === 'text'
      ? { type, text: '' }
      : { type, thinking: '', signature: '' }
const blockOf = (type: BlockType, text: string, i: number): object =>
  type === 'tool_use' ? { type, id: `t${i}`, name: 'f', input: { note: text } } : { ...beginning(type, i), [type]: text }

function messages(what: string, types: readonly BlockType[]): Shape {
  const json = types.map((type) => type === 'tool_use')
  const head = { id: 'm', type: 'message', role: 'assistant', model: 'x', usage: USAGE }
  return {
    surface: 'messages', what, json,
    whole: (texts) => ({ ...head, content: texts.map((text, i) => blockOf(types[i]!, text, i)), stop_reason: 'end_turn' }),
    stream: (texts, size) =>
      [
        { type: 'message_start', message: { ...head, content: [] } },
        ...texts.flatMap((text, index) => {
          const [type, member] = DELTA[types[index]!]
          return [
            { type: 'content_block_start', index, content_block: beginning(types[index]!, index) },
            ...pieces(written(json[index]!, text), size).map((piece) => ({ type: 'content_block_delta', index, delta: { type, [member]: piece } })),
            { type: 'content_block_stop', index },
          ]
        }),
        { type: 'message_delta', delta: { stop_reason: 'end_turn', stop_sequence: null }, usage: USAGE },
        { type: 'message_stop' },
      ].map(named).join(''),
  }
} // prettier-ignore

// Chat completions

type Member = 'content' | 'reasoning_content' | 'refusal' | 'call'
const callOf = (i: number, text: string): object => ({ id: `c${i}`, type: 'function', function: { name: 'f', arguments: text } })

function chat(what: string, members: readonly Member[]): Shape {
  const json = members.map((member) => member === 'call')
  const head = { id: 'c', created: 1, model: 'x' }
  const calls = members.flatMap((member, i) => (member === 'call' ? [i] : []))
  return {
    surface: 'chat completions', what, json,
    whole(texts) {
      const message: Record<string, unknown> = { role: 'assistant' }
      for (const [i, member] of members.entries()) if (member !== 'call') message[member] = texts[i]
      message['content'] ??= null
      if (calls.length > 0) message['tool_calls'] = calls.map((i) => callOf(i, written(true, texts[i]!)))
      return { ...head, object: 'chat.completion', choices: [{ index: 0, message, finish_reason: 'stop' }] }
    },
    stream(texts, size) {
      const chunk = (delta: object, reason: string | null = null): string =>
        sse({ ...head, object: 'chat.completion.chunk', choices: [{ index: 0, delta, finish_reason: reason }] })
      const told = texts.flatMap((text, i) => {
        const member = members[i]!
        const cut = pieces(written(json[i]!, text), size)
        if (member !== 'call') return cut.map((piece) => chunk({ [member]: piece }))
        const index = calls.indexOf(i)
        return [
          chunk({ tool_calls: [{ index, ...callOf(i, '') }] }),
          ...cut.map((piece) => chunk({ tool_calls: [{ index, function: { arguments: piece } }] })),
        ]
      })
      return [chunk({ role: 'assistant', content: '' }), ...told, chunk({}, 'stop'), 'data: [DONE]\n\n'].join('')
    },
  }
} // prettier-ignore

// Responses

type Spot = readonly [item: number, type: 'output_text' | 'refusal' | 'reasoning' | 'call']
const EVENT = {
  output_text: 'output_text',
  refusal: 'refusal',
  reasoning: 'reasoning_summary_text',
  call: 'function_call_arguments',
} as const

function responses(what: string, spots: readonly Spot[]): Shape {
  const json = spots.map(([, type]) => type === 'call')
  const placeIn = (spot: number): number => spots.slice(0, spot).filter(([item]) => item === spots[spot]![0]).length
  const partOf = (type: Spot[1], text: string): object =>
    type === 'refusal' ? { type, refusal: text } : type === 'reasoning' ? { type: 'summary_text', text } : { type, text, annotations: [] }
  const itemsOf = (texts: Texts): readonly object[] =>
    [...new Set(spots.map(([item]) => item))].map((item) => {
      const at = spots.flatMap(([of], i) => (of === item ? [i] : []))
      const type = spots[at[0]!]![1]
      if (type === 'call') return { type: 'function_call', id: `i${item}`, call_id: `c${item}`, name: 'f', arguments: written(true, texts[at[0]!]!), status: 'completed' }
      const parts = at.map((i) => partOf(spots[i]![1], texts[i]!))
      if (type === 'reasoning') return { type, id: `i${item}`, summary: parts }
      return { type: 'message', id: `i${item}`, role: 'assistant', status: 'completed', content: parts }
    })
  const response = (output: readonly object[], status: string): object => ({ id: 'r', object: 'response', created_at: 1, status, model: 'x', output, usage: { ...USAGE, total_tokens: 2 } })
  return {
    surface: 'responses', what, json,
    whole: (texts) => response(itemsOf(texts), 'completed'),
    stream(texts, size) {
      const items = itemsOf(texts) as Json[]
      const out: object[] = [{ type: 'response.created', response: response([], 'in_progress') }]
      for (const [index, item] of items.entries()) {
        out.push({ type: 'response.output_item.added', output_index: index, item: { ...item, content: [], summary: [], arguments: '' } })
        for (const [i, [of, type]] of spots.entries()) {
          if (of !== index) continue
          const at = { item_id: `i${index}`, output_index: index, ...(type === 'call' ? {} : { [type === 'reasoning' ? 'summary_index' : 'content_index']: placeIn(i) }) }
          const text = written(json[i]!, texts[i]!)
          const part = type === 'reasoning' ? 'reasoning_summary_part' : 'content_part'
          const name = `response.${EVENT[type]}`
          if (type !== 'call') out.push({ type: `response.${part}.added`, ...at, part: partOf(type, '') })
          out.push(...pieces(text, size).map((delta) => ({ type: `${name}.delta`, ...at, delta })))
          out.push({ type: `${name}.done`, ...at, [type === 'call' ? 'arguments' : type === 'refusal' ? 'refusal' : 'text']: text })
          if (type !== 'call') out.push({ type: `response.${part}.done`, ...at, part: partOf(type, text) })
        }
        out.push({ type: 'response.output_item.done', output_index: index, item })
      }
      out.push({ type: 'response.completed', response: response(items, 'completed') })
      return out.map((data) => named(data as { type: string })).join('')
    },
  }
} // prettier-ignore

export const SHAPES: readonly Shape[] = [
  messages('two text blocks', ['text', 'text']),
  messages('thoughts and a text', ['thinking', 'text']),
  messages('a text and a call', ['text', 'tool_use']),
  messages('two calls', ['tool_use', 'tool_use']),
  messages('thoughts, a text and a call', ['thinking', 'text', 'tool_use']),
  chat('content and a call', ['content', 'call']),
  chat('two calls', ['call', 'call']),
  chat('reasoning and content', ['reasoning_content', 'content']),
  chat('content and a refusal', ['content', 'refusal']),
  chat('reasoning, content and two calls', ['reasoning_content', 'content', 'call', 'call']),
  responses('two parts', [[0, 'output_text'], [0, 'output_text']]),
  responses('two items', [[0, 'output_text'], [1, 'output_text']]),
  responses('a part and a refusal', [[0, 'output_text'], [0, 'refusal']]),
  responses('a text and a call', [[0, 'output_text'], [1, 'call']]),
  responses('two calls', [[0, 'call'], [1, 'call']]),
  responses('reasoning, a text and a call', [[0, 'reasoning'], [1, 'output_text'], [2, 'call']]),
] // prettier-ignore

const noteIn = (json: string): string => {
  try {
    return JSON.parse(json).note
  } catch {
    return json
  }
}

/** What a client reads of a whole answer, in the order of the texts. */
export function textsIn({ surface, json }: Shape, body: string): Texts {
  const answer = JSON.parse(body)
  if (surface === 'messages') return answer.content.map((block: Json) => block.text ?? block.thinking ?? block.input.note)
  if (surface === 'responses') return answer.output.flatMap(itemTexts)
  const { tool_calls: calls = [], ...message } = answer.choices[0].message
  const own = ['reasoning_content', 'content', 'refusal'].flatMap((member) =>
    typeof message[member] === 'string' ? [message[member]] : [],
  )
  return [...own.slice(0, json.length - calls.length), ...calls.map((call: Json) => noteIn(call.function.arguments))]
}

const itemTexts = (item: Json): Texts =>
  item.type === 'function_call' ? [noteIn(item.arguments)] : (item.content ?? item.summary).map((part: Json) => part.text ?? part.refusal)

/** Of a stream: the pieces of each text, put together in the order in which the texts began; and what its events say again of whole texts, once for each time. */
export function streamedIn({ surface, json }: Shape, events: readonly Json[]): { readonly told: Texts; readonly repeated: readonly Texts[] } {
  const told = new Map<string, string>()
  const add = (key: string, piece: string): void => void told.set(key, (told.get(key) ?? '') + piece)
  const repeated: Texts[] = []
  for (const event of events) {
    if (surface === 'messages') {
      const { type, index, delta } = event
      if (type === 'content_block_start') add(index, '')
      if (type === 'content_block_delta') add(index, delta.text ?? delta.thinking ?? delta.partial_json ?? '')
    } else if (surface === 'chat completions') {
      const { tool_calls: calls = [], role: _role, ...texts } = event.choices[0].delta
      for (const [member, text] of Object.entries(texts)) if (text !== '') add(member, text as string)
      for (const call of calls) add(`call ${call.index}`, call.function?.arguments ?? '')
    } else {
      const { type, output_index: item, content_index: part = '', summary_index: summary = '' } = event
      if (type.endsWith('.delta')) add(`${item} ${part}${summary}`, event.delta)
      else if (type === 'response.output_item.done') repeated.push(itemTexts(event.item))
      else if (type === 'response.completed') repeated.push(event.response.output.flatMap(itemTexts))
      else if (type.endsWith('.done')) repeated.push([event.part?.text ?? event.part?.refusal ?? event.text ?? event.refusal ?? noteIn(event.arguments)])
    }
  }
  return { told: [...told.values()].map((text, i) => (json[i] === true ? noteIn(text) : text)), repeated }
} // prettier-ignore
