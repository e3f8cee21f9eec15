import { status as grpc } from '@grpc/grpc-js'
import { describe, expect, it } from 'vitest'
import { type EntityFacts, RedoubtError } from '#foundation/core'
import { compilePlan, PROMPT_CANARY, withCanary } from '#gateway/filters'
import { Cancellation, type ServeIo, type Served } from '#gateway/pipeline'
import type { UpstreamApi, UpstreamRoute, Upstreams } from '#gateway/serving'
import { CHAT_COMPLETIONS } from './chat-completions/protocol.ts'
import { COMPLETIONS } from './completions/protocol.ts'
import { statusOf } from './open-inference-grpc/surface.ts'
import { inferenceErrorAnswer } from './open-inference-surface.ts'
import { renderOpenAiError } from './openai-errors.ts'
import type { LanguageProtocol } from './language-protocol.ts'
import { languageSurface } from './language-surface.ts'
import { MESSAGES } from './messages/protocol.ts'
import { renderAnthropicError } from './messages/errors.ts'
import { RESPONSES } from './responses/protocol.ts'
import { encode } from './routes.fixtures.ts'

const EMAIL = 'jane.doe@example.com'
const KEY = 'sk-proj-aB3dE5fG7hJ9kL1mN2pQ4aB3dE5fG7hJ9kL1mN2pQ4'
const TEXT = `Good day. Write to ${EMAIL}, card 4111 1111 1111 1111. The end.`
const ACTIONS = { EMAIL_ADDRESS: 'review', CREDIT_CARD: 'mask', API_KEY: 'block' } as const
const STEPS = [1, 2, 3, 5, 7, 16, 61, 257, 100_000]

const sse = (data: object, event?: string): string => `${event === undefined ? '' : `event: ${event}\n`}data: ${JSON.stringify(data)}\n\n`
const named = (data: { readonly type: string }): string => sse(data, data.type)
const pieces = (text: string): readonly string[] => text.match(/[\s\S]{1,9}/gu) ?? []
const HEAD = { id: 'c-1', created: 1, model: 'real' }

function chatStream(text: string): string {
  const chunk = (delta: object, reason: string | null = null): string =>
    sse({ ...HEAD, object: 'chat.completion.chunk', choices: [{ index: 0, delta, finish_reason: reason }] })
  return `${pieces(text)
    .map((content) => chunk({ content }))
    .join('')}${chunk({}, 'stop')}data: [DONE]\n\n`
}

function completionStream(text: string): string {
  const chunk = (said: string, reason: string | null = null): string =>
    sse({ ...HEAD, object: 'text_completion', choices: [{ index: 0, text: said, logprobs: null, finish_reason: reason }] })
  return `${pieces(text)
    .map((said) => chunk(said))
    .join('')}${chunk('', 'stop')}data: [DONE]\n\n`
}

function messageStream(text: string): string {
  const message = {
    id: 'msg_1',
    type: 'message',
    role: 'assistant',
    model: 'real',
    content: [],
    usage: { input_tokens: 3, output_tokens: 1 },
  }
  const event = (data: object): string => named(data as { type: string })
  return [
    event({ type: 'message_start', message }),
    event({ type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } }),
    ...pieces(text).map((said) => event({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: said } })),
    event({ type: 'content_block_stop', index: 0 }),
    event({ type: 'message_delta', delta: { stop_reason: 'end_turn', stop_sequence: null }, usage: { output_tokens: 9 } }),
    event({ type: 'message_stop' }),
  ].join('')
}

function responseStream(text: string): string {
  const part = { type: 'output_text', text, annotations: [] }
  const item = { type: 'message', id: 'it_0', role: 'assistant', status: 'completed', content: [part] }
  const at = { item_id: 'it_0', output_index: 0, content_index: 0 }
  const response = (output: readonly object[], status: string): object => ({
    id: 'resp_1',
    object: 'response',
    created_at: 1,
    status,
    model: 'real',
    output,
    usage: { input_tokens: 3, output_tokens: 4, total_tokens: 7 },
  })
  const event = (type: string, data: object): string => named({ type, sequence_number: 0, ...data } as { type: string })
  return [
    event('response.created', { response: response([], 'in_progress') }),
    event('response.output_item.added', { output_index: 0, item: { ...item, content: [] } }),
    event('response.content_part.added', { ...at, part: { ...part, text: '' } }),
    ...pieces(text).map((delta) => event('response.output_text.delta', { ...at, delta, logprobs: [] })),
    event('response.output_text.done', { ...at, text }),
    event('response.content_part.done', { ...at, part }),
    event('response.output_item.done', { output_index: 0, item }),
    event('response.completed', { response: response([item], 'completed') }),
  ].join('')
}

interface Api {
  readonly protocol: LanguageProtocol
  readonly api: UpstreamApi
  readonly ask: object
  readonly stream: (text: string) => string
}
const messages = [{ role: 'user', content: 'hello' }]
const api = (protocol: unknown, of: UpstreamApi, ask: object, stream: Api['stream']): Api => ({
  protocol: protocol as LanguageProtocol,
  api: of,
  ask,
  stream,
})
const APIS: readonly (readonly [string, Api])[] = [
  ['chat completions', api(CHAT_COMPLETIONS, 'openai', { messages }, chatStream)],
  ['completions', api(COMPLETIONS, 'openai', { prompt: 'hello' }, completionStream)],
  ['messages', api(MESSAGES, 'anthropic', { messages, max_tokens: 10 }, messageStream)],
  ['responses', api(RESPONSES, 'openai', { input: 'hello' }, responseStream)],
]

interface Outcome {
  readonly served: Served | RedoubtError
  readonly left: string
  readonly started: boolean
  /** How the exchange with the upstream was given up; null when the upstream ended it. */
  readonly givenUp: 'aborted' | 'released' | null
}

/** One streamed call whose upstream answers in pieces of `step` bytes, and then ends or breaks off. */
async function run(
  { protocol, api: of, ask }: Api,
  upstream: string,
  step: number,
  change: Partial<ServeIo> = {},
  breaks = false,
): Promise<Outcome> {
  const route = {
    model: 'm',
    upstream: 'u',
    upstreamModel: 'real',
    api: of,
    retries: 0,
    agreedUntil: null,
    fallbacks: [],
  } as unknown as UpstreamRoute
  const out: { left: string; started: boolean; givenUp: Outcome['givenUp'] } = { left: '', started: false, givenUp: null }
  const upstreams: Pick<Upstreams, 'resolve' | 'dispatch'> = {
    resolve: () => route,
    dispatch(_route, _body, _options, handler) {
      const exchange = { ended: false }
      setImmediate(() => {
        handler.start(200, {})
        const bytes = encode(upstream)
        for (let at = 0; at < bytes.length && !exchange.ended; at += step) handler.data(bytes.subarray(at, at + step))
        if (exchange.ended) return
        if (breaks) handler.error(new RedoubtError('ERR_UPSTREAM_RESET'))
        else handler.end()
      })
      const stop = (how: 'aborted' | 'released') => (): void => {
        exchange.ended = true
        out.givenUp = how
      }
      return { abort: stop('aborted'), release: stop('released'), pause: () => undefined, resume: () => undefined }
    },
  }
  const facts = (): EntityFacts => ({ type: 'Endpoint', id: 'm', attributes: {}, parents: [] })
  const clock = { now: () => 1, monotonic: () => 1 }
  const surface = languageSurface({ upstreams: upstreams as Upstreams, facts, pseudonym: (subject) => subject, clock }, protocol)
  const body = encode({ model: 'm', stream: true, ...ask })
  const call = surface.resolve({ body, parameters: [], principal: {} as never, header: () => undefined, now: 1 })
  const served = await call
    .serve({
      requestId: 'req_1',
      subject: null,
      outputPlan: compilePlan(ACTIONS),
      holdAll: false,
      admitElsewhere: async () => new RedoubtError('ERR_POLICY_DENIED'),
      cancellation: new Cancellation(),
      out: {
        start: () => void (out.started = true),
        write: (text) => {
          out.left += text
          return true
        },
        onDrain: () => undefined,
      },
      ...change,
    })
    .catch((thrown: unknown) => (thrown instanceof RedoubtError ? thrown : Promise.reject(thrown)))
  return { served, ...out }
}

const heldOf = ({ served }: Outcome) => (served instanceof RedoubtError || served.kind !== 'stream' ? undefined : served.held)
const failureOf = ({ served }: Outcome) =>
  served instanceof RedoubtError ? served.code : served.kind === 'stream' ? served.failure?.code : undefined

describe.each(APIS)('D10: a stream of %s with a value that a person has to look at', (_name, one) => {
  it('ends for the client before the value, and goes on to its end for the reviewer, the same for every cutting', async () => {
    const expected = await run(one, one.stream(TEXT), 100_000)
    expect(wordsOf(expected.left)).toBe('Good day. Write to ')
    for (const step of STEPS) {
      const outcome = await run(one, one.stream(TEXT), step)
      expect(outcome.left, String(step)).not.toMatch(/jane|doe@|example|4111|The end/)
      expect(outcome.left).toBe(expected.left)
      const held = heldOf(outcome)
      expect(held).toEqual(heldOf(expected))
      expect(wordsOf(held?.text ?? '')).toContain(`Write to ${EMAIL}, card [CREDIT_CARD]. The end.`)
      expect(Object.fromEntries(held?.findings ?? [])).toEqual({ EMAIL_ADDRESS: 1, CREDIT_CARD: 1 })
      expect(outcome.served).toMatchObject({ closing: '', failure: null, blocked: true })
    }
  })

  it('is for nobody when another value is blocked later', async () => {
    const outcome = await run(one, one.stream(`${TEXT} ${KEY} bye`), 64)
    expect(heldOf(outcome)).toBeUndefined()
    expect(failureOf(outcome)).toBe('ERR_FILTER_BLOCKED_OUTPUT')
    expect(outcome.left).not.toContain('jane')
  })

  it('is for nobody when the upstream breaks off, or says more than a person looks through', async () => {
    const whole = one.stream(TEXT)
    const broken = await run(one, whole.slice(0, whole.lastIndexOf('card')), 64, {}, true)
    expect([heldOf(broken), failureOf(broken)]).toEqual([undefined, 'ERR_UPSTREAM_RESET'])
    const long = await run(one, one.stream(`${TEXT} ${'and so on '.repeat(4_000)}`), 4_096)
    expect([heldOf(long), failureOf(long)]).toEqual([undefined, 'ERR_REVIEW_TOO_LARGE'])
    for (const { left } of [broken, long]) expect(left).not.toContain('jane')
  })

  it('is no business of a reviewer without such a value', async () => {
    const outcome = await run(one, one.stream('Good day. The end.'), 5)
    expect([heldOf(outcome), failureOf(outcome)]).toEqual([undefined, undefined])
    expect(outcome.left).toContain('end')
  })

  it('keeps its connection to the upstream when it is complete, and breaks off one that is blocked (C11)', async () => {
    expect((await run(one, one.stream('Good day. The end.'), 64)).givenUp).toBe('released')
    expect((await run(one, one.stream(`Good day. ${KEY} bye`), 64)).givenUp).toBe('aborted')
  })

  it('begins for nobody where policy wants all of it looked at', async () => {
    for (const step of [1, 64, 100_000]) {
      const outcome = await run(one, one.stream('Good day. The end.'), step, { holdAll: true })
      expect([outcome.left, outcome.started]).toEqual(['', false])
      expect(wordsOf(heldOf(outcome)?.text ?? '')).toContain('Good day. The end.')
    }
    const blocked = await run(one, one.stream(`key ${KEY}`), 64, { holdAll: true })
    expect([blocked.left, failureOf(blocked)]).toEqual(['', 'ERR_FILTER_BLOCKED_OUTPUT'])
    const broken = await run(one, one.stream('Good day.').slice(0, -40), 64, { holdAll: true }, true)
    expect([broken.left, heldOf(broken), failureOf(broken)]).toEqual(['', undefined, 'ERR_UPSTREAM_RESET'])
  })
})

describe.each(APIS)('D3, D10: a stream of %s beside which a reviewer reads', (_name, one) => {
  const tokensOf = ({ served }: Outcome) => (served instanceof RedoubtError || served.kind !== 'stream' ? undefined : served.usage.tokens)
  const without = { outputPlan: compilePlan({ CREDIT_CARD: 'mask' }) }

  it('is charged what the model worked, though more came than a person looks through', async () => {
    const text = 'and so on. '.repeat(8_000)
    const outcome = await run(one, one.stream(text), 4_096)
    expect([failureOf(outcome), heldOf(outcome)]).toEqual([undefined, undefined])
    expect(tokensOf(outcome)).toBe(tokensOf(await run(one, one.stream(text), 4_096, without)))
  })

  it('is charged what the model worked where nobody may have it', async () => {
    const held = await run(one, one.stream(`Good day. ${'and so on. '.repeat(100)} key ${KEY}`), 64, { holdAll: true })
    expect([failureOf(held), held.left, heldOf(held)]).toEqual(['ERR_FILTER_BLOCKED_OUTPUT', '', undefined])
    const open = await run(one, one.stream(`Good day. ${'and so on. '.repeat(100)} key ${KEY}`), 64)
    expect(tokensOf(held)).toBeGreaterThan(0)
    expect(tokensOf(held)).toBe(tokensOf(open))
    const broken = await run(one, one.stream('Good day.').slice(0, -40), 64, { holdAll: true }, true)
    expect(tokensOf(broken)).toBeGreaterThan(0)
  })

  it('says that a marker was seen after what a person has to look at, or where all is looked at (C9)', async () => {
    const marker = 'qv7m2kx9t4hd8s3pz6wb'
    const change = { outputPlan: withCanary(compilePlan(ACTIONS), marker) }
    for (const step of [1, 64, 100_000]) {
      for (const [text, holdAll] of [
        [`${TEXT} ${marker} bye`, false],
        [`Good day. ${marker} bye`, true],
      ] as const) {
        const { served, left } = await run(one, one.stream(text), step, { ...change, holdAll })
        expect(served).toMatchObject({ blocked: true, failure: { code: 'ERR_FILTER_BLOCKED_OUTPUT' } })
        expect((served as { findings: ReadonlyMap<string, number> }).findings.get(PROMPT_CANARY)).toBe(1)
        expect(left).not.toMatch(/qv7m2|jane/)
      }
    }
  })
})

describe('D10: a refusal that names a review', () => {
  const error = new RedoubtError('ERR_REVIEW_PENDING', 'a person has to look at this first: review `rev_1`')

  it('is final for published clients, and says which in each shape', () => {
    for (const render of [renderOpenAiError, renderAnthropicError]) {
      const { status, headers, body } = render(error, 'req_1')
      expect([status, headers['x-should-retry'], headers['redoubt-code']]).toEqual([403, 'false', 'ERR_REVIEW_PENDING'])
      expect(body).toContain('rev_1')
      expect(body).toContain('permission_error')
    }
    for (const [, { protocol }] of APIS) {
      const event = protocol.renderStreamError(error, 'req_1')
      expect(event).toContain('rev_1')
      expect(event).toContain('error')
    }
    const { status, headers, body } = inferenceErrorAnswer(error, 'req_1')
    expect([status, headers['redoubt-code'], body]).toEqual([
      403,
      'ERR_REVIEW_PENDING',
      JSON.stringify({ error: `ERR_REVIEW_PENDING: ${error.message}` }),
    ])
    const { code, details } = statusOf(error, 'req_1')
    expect([code, details]).toEqual([grpc.PERMISSION_DENIED, expect.stringContaining('rev_1')])
    expect(renderOpenAiError(new RedoubtError('ERR_REVIEW_FULL'), 'req_1').headers['x-should-retry']).toBe('false')
  })
})

/** What a person reads of the deltas of a stream, whatever its events are called. */
function wordsOf(stream: string): string {
  let words = ''
  for (const line of stream.split('\n')) {
    if (!line.startsWith('data: {')) continue
    const data = JSON.parse(line.slice(6)) as {
      type?: string
      delta?: string | { text?: string }
      choices?: readonly { delta?: { content?: string }; text?: string }[]
    }
    const { delta, choices } = data
    words += typeof delta === 'string' ? delta : (delta?.text ?? '')
    for (const choice of choices ?? []) words += choice.delta?.content ?? choice.text ?? ''
  }
  return words
}
