/** What the tests of all streamed APIs share: a transformer is fed in pieces, and what comes out is read as a client reads it. */
import { CardRedactor } from './chat-completions/card-redactor.fixture.ts'
import type { LanguageStream, StreamOptions } from './language-protocol.ts'
import { type SseEvent, SseParser } from './sse.ts'

export const CARD = '4111 1111 1111 1111'
export const STREAM_OPTIONS: StreamOptions = {
  publicModel: 'public',
  createRedactor: () => new CardRedactor(),
  createSilentRedactor: () => new CardRedactor(),
  createCrossing: null,
  tools: null,
  requestId: 'req_1',
  now: 5_000,
}

export const encode = (value: unknown): Uint8Array => new TextEncoder().encode(typeof value === 'string' ? value : JSON.stringify(value))

/** Runs a whole stream, cut into pieces of `step` bytes. */
export function runStream(stream: LanguageStream, upstream: string, step = Number.MAX_SAFE_INTEGER): string {
  const bytes = encode(upstream)
  let out = ''
  for (let from = 0; from < bytes.length && stream.state === 'open'; from += step) out += stream.push(bytes.subarray(from, from + step))
  if (stream.state === 'open') stream.end()
  return out + stream.closing()
}

export const eventsOf = (out: string): readonly SseEvent[] => new SseParser().push(encode(out))

/** The data of all events as JSON, without the word that ends OpenAI's streams. */
// oxlint-disable-next-line typescript/no-explicit-any
export const dataOf = (out: string): readonly any[] =>
  eventsOf(out).flatMap(({ data }) => (data === '[DONE]' ? [] : [JSON.parse(data) as unknown]))

/** Every way of cutting that the tests try. */
export const STEPS = [1, 2, 3, 5, 7, 11, 16, 64, 257, 1000]
