/** CPU of the chat codecs alone: parse, transform and stringify, without redactor, without sockets. */
import { ChatStreamTransformer, parseChatRequest, parseChatResponse } from '#gateway/routes'
import type { Row } from './row.ts'

const ROUNDS = 15
const STREAM_CHUNKS = 100
const STREAMS_PER_ROUND = 60
const BODIES_PER_ROUND = 3_000

const head = { id: 'chatcmpl-Bn3vXq2pYw8sK4tLm9rHc7dF1gJ0a', object: 'chat.completion.chunk', created: 1_767_225_600, model: 'mock-1' }
const event = (delta: object, finish: string | null): string =>
  `data: ${JSON.stringify({ ...head, system_fingerprint: 'fp_44709d6fcb', choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }] })}\n\n`
const chunks = [
  ...Array.from({ length: STREAM_CHUNKS - 1 }, (_, i) => Buffer.from(event({ content: `word${i} ` }, null))),
  Buffer.from(event({}, 'stop')),
]
const sentence = 'The committee reviewed the quarterly report and found that most of the targets had been met. '
const request = Buffer.from(
  JSON.stringify({
    model: 'assistant',
    messages: [
      { role: 'system', content: sentence.repeat(4) },
      { role: 'user', content: sentence.repeat(14) },
    ],
  }),
)
const response = Buffer.from(
  JSON.stringify({
    ...head,
    object: 'chat.completion',
    choices: [
      { index: 0, message: { role: 'assistant', content: sentence.repeat(7), refusal: null }, logprobs: null, finish_reason: 'stop' },
    ],
    usage: { prompt_tokens: 412, completion_tokens: 160, total_tokens: 572 },
  }),
)

function stream(bytes: readonly Uint8Array[]): number {
  const transformer = new ChatStreamTransformer({
    publicModel: 'assistant',
    includeUsage: false,
    choices: 1,
    promptTokens: 1,
    jsonAnswer: false,
    createRedactor: null,
    requestId: 'req_1',
    now: 0,
  })
  let length = 0
  for (const chunk of bytes) length += transformer.push(chunk).length
  return length
}

/** @returns the least CPU over all rounds, in microseconds for one unit: what others on the machine cost is left out. */
function leastCpu(units: number, work: () => void): number {
  let least = Number.POSITIVE_INFINITY
  for (let round = 0; round < ROUNDS; round++) {
    const before = process.cpuUsage()
    work()
    const { user, system } = process.cpuUsage(before)
    if (round > 2) least = Math.min(least, (user + system) / units)
  }
  return least
}

const same = (text: string): string => text

export const benchmark = {
  name: 'chat',
  run(): Promise<readonly Row[]> {
    let sink = 0
    const joined = Array.from({ length: STREAM_CHUNKS / 10 }, (_, i) => Buffer.concat(chunks.slice(i * 10, i * 10 + 10)))
    const streamed = leastCpu(STREAMS_PER_ROUND * STREAM_CHUNKS, () => {
      for (let i = 0; i < STREAMS_PER_ROUND; i++) sink += stream(chunks)
    })
    const batched = leastCpu(STREAMS_PER_ROUND * STREAM_CHUNKS, () => {
      for (let i = 0; i < STREAMS_PER_ROUND; i++) sink += stream(joined)
    })
    const asked = leastCpu(BODIES_PER_ROUND, () => {
      for (let i = 0; i < BODIES_PER_ROUND; i++) {
        const parsed = parseChatRequest(request)
        parsed.rewriteTexts(same)
        sink += parsed.toUpstream('mock-1').length
      }
    })
    const answered = leastCpu(BODIES_PER_ROUND, () => {
      for (let i = 0; i < BODIES_PER_ROUND; i++) {
        const parsed = parseChatResponse(response)
        parsed.rewriteTexts(same)
        sink += parsed.toClient('assistant', 0).length
      }
    })
    if (sink === 0) throw new Error('nothing was done')
    const note = 'least CPU of 12 rounds, no redactor'
    return Promise.resolve([
      {
        what: 'chat stream: one chunk of 224 bytes, parsed, transformed, written',
        value: streamed,
        unit: 'µs CPU',
        target: 15,
        comparator: '<=',
        note,
      },
      { what: 'chat stream: one event when ten arrive at once', value: batched, unit: 'µs CPU', target: 15, comparator: '<=', note },
      {
        what: `chat request of ${request.length} bytes, parsed, visited, written`,
        value: asked,
        unit: 'µs CPU',
        target: null,
        comparator: '<=',
        note,
      },
      {
        what: `chat answer of ${response.length} bytes, parsed, visited, written`,
        value: answered,
        unit: 'µs CPU',
        target: null,
        comparator: '<=',
        note,
      },
    ])
  },
}

if (import.meta.main) console.table(await benchmark.run())
