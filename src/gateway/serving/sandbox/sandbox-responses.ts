/** The sandbox responder in the words of the responses API: the same texts, told as that API tells them. */

const ID = 'resp_sandbox'
const ITEM_ID = 'msg_sandbox'

export interface SandboxAnswer {
  readonly text: string
  readonly model: string
  /** Epoch seconds. */
  readonly created: number
  readonly promptTokens: number
  readonly completionTokens: number
}

type Json = Record<string, unknown>

/** The whole response. */
export function sandboxResponse(answer: SandboxAnswer): Json {
  const { promptTokens: input, completionTokens: output } = answer
  return {
    ...head(answer, 'completed'),
    output: [item(answer.text)],
    usage: {
      input_tokens: input,
      input_tokens_details: { cached_tokens: 0 },
      output_tokens: output,
      output_tokens_details: { reasoning_tokens: 0 },
      total_tokens: input + output,
    },
  }
}

/** The events before, for each piece, and after the text. */
export function sandboxResponseEvents(answer: SandboxAnswer): {
  readonly before: readonly Json[]
  delta(piece: string): Json
  readonly after: readonly Json[]
} {
  const at = { item_id: ITEM_ID, output_index: 0, content_index: 0 }
  const { text } = answer
  const begun = { ...head(answer, 'in_progress'), output: [], usage: null }
  return {
    before: [
      { type: 'response.created', response: begun },
      { type: 'response.in_progress', response: begun },
      { type: 'response.output_item.added', output_index: 0, item: { ...item(''), status: 'in_progress', content: [] } },
      { type: 'response.content_part.added', ...at, part: part('') },
    ],
    delta: (piece) => ({ type: 'response.output_text.delta', ...at, delta: piece, logprobs: [] }),
    after: [
      { type: 'response.output_text.done', ...at, text, logprobs: [] },
      { type: 'response.content_part.done', ...at, part: part(text) },
      { type: 'response.output_item.done', output_index: 0, item: item(text) },
      { type: 'response.completed', response: sandboxResponse(answer) },
    ],
  }
}

function head({ model, created }: SandboxAnswer, status: string): Json {
  return { id: ID, object: 'response', created_at: created, status, error: null, incomplete_details: null, model, tools: [], store: false }
}

const part = (text: string): Json => ({ type: 'output_text', text, annotations: [], logprobs: [] })
const item = (text: string): Json => ({ type: 'message', id: ITEM_ID, status: 'completed', role: 'assistant', content: [part(text)] })
