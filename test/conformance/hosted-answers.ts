/** What an upstream says that searched the web by itself, as OpenAI's responses and Anthropic's messages tell it; a fake, for no upstream of ours searches. */
type Event = { readonly type: string; readonly [member: string]: unknown }

const pieces = (text: string): readonly string[] => text.match(/[\s\S]{1,5}/gu) ?? []

/** A response of which the search and the text hold `value`. */
export function searchedResponse(value: string): Record<string, unknown> {
  const action = {
    type: 'search',
    query: `who has ${value}`,
    sources: [{ type: 'url', url: `https://pages.example/${value.replaceAll(' ', '-')}` }],
  }
  const search = { type: 'web_search_call', id: 'ws_1', status: 'completed', action }
  const part = { type: 'output_text', text: `The page says ${value}, no more.`, annotations: [], logprobs: [] }
  const message = { type: 'message', id: 'msg_1', role: 'assistant', status: 'completed', content: [part] }
  const usage = { input_tokens: 3, output_tokens: 4, total_tokens: 7 }
  return { id: 'resp_1', object: 'response', created_at: 1, model: 'real', status: 'completed', output: [search, message], usage }
}

export function searchedResponseEvents(value: string): readonly Event[] {
  const whole = searchedResponse(value)
  const [search, message] = whole['output'] as [Record<string, unknown>, { content: [{ text: string }] }]
  const [part] = message.content
  const at = { item_id: 'msg_1', output_index: 1, content_index: 0 }
  const started = { ...whole, status: 'in_progress', output: [] }
  const empty = { ...part, text: '' }
  const events: readonly Event[] = [
    { type: 'response.created', response: started },
    { type: 'response.output_item.added', output_index: 0, item: { ...search, status: 'in_progress' } },
    { type: 'response.web_search_call.searching', output_index: 0, item_id: 'ws_1' },
    { type: 'response.web_search_call.completed', output_index: 0, item_id: 'ws_1' },
    { type: 'response.output_item.done', output_index: 0, item: search },
    { type: 'response.output_item.added', output_index: 1, item: { ...message, status: 'in_progress', content: [] } },
    { type: 'response.content_part.added', ...at, part: empty },
    ...pieces(part.text).map((delta) => ({ type: 'response.output_text.delta', ...at, delta, logprobs: [] })),
    { type: 'response.output_text.done', ...at, text: part.text, logprobs: [] },
    { type: 'response.content_part.done', ...at, part },
    { type: 'response.output_item.done', output_index: 1, item: message },
    { type: 'response.completed', response: whole },
  ]
  return events.map((event, i) => ({ ...event, sequence_number: i }))
}

/** The same of a message. */
export function searchedMessage(value: string): Record<string, unknown> {
  const results = [{ type: 'web_search_result', url: 'https://pages.example', title: `Page of ${value}`, page_age: null }]
  const content = [
    { type: 'server_tool_use', id: 'srv_1', name: 'web_search', input: { query: `who has ${value}` } },
    { type: 'web_search_tool_result', tool_use_id: 'srv_1', content: results },
    { type: 'text', text: `The page says ${value}, no more.` },
  ]
  const usage = { input_tokens: 3, output_tokens: 4 }
  return { id: 'msg_1', type: 'message', role: 'assistant', model: 'real', content, stop_reason: 'end_turn', stop_sequence: null, usage }
}

export function searchedMessageEvents(value: string): readonly Event[] {
  const whole = searchedMessage(value)
  const [use, result, text] = whole['content'] as [{ input: object }, object, { text: string }]
  const block = (index: number, start: object, deltas: readonly object[]): readonly Event[] => [
    { type: 'content_block_start', index, content_block: start },
    ...deltas.map((delta) => ({ type: 'content_block_delta', index, delta })),
    { type: 'content_block_stop', index },
  ]
  return [
    { type: 'message_start', message: { ...whole, content: [], stop_reason: null } },
    ...block(
      0,
      { ...use, input: {} },
      pieces(JSON.stringify(use.input)).map((piece) => ({ type: 'input_json_delta', partial_json: piece })),
    ),
    ...block(1, result, []),
    ...block(
      2,
      { ...text, text: '' },
      pieces(text.text).map((piece) => ({ type: 'text_delta', text: piece })),
    ),
    { type: 'message_delta', delta: { stop_reason: 'end_turn', stop_sequence: null }, usage: { output_tokens: 4 } },
    { type: 'message_stop' },
  ]
}
