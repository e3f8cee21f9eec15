/** The whole server before `@copilotkit/aimock`, an independent stand-in for the published APIs, and before a small upstream for what that one does not speak. */
import { readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { LLMock } from '@copilotkit/aimock'
import { upstreamsSchema } from '#gateway/serving'
import { Agent, fetch as undiciFetch } from 'undici'
import type { Configuration } from '../../src/composition/configuration.ts'
import { type House, type HouseAccount, openHouse } from '../house/house.fixture.ts'
import { searchedMessage, searchedMessageEvents, searchedResponse, searchedResponseEvents } from './hosted-answers.ts'

export const CARD = '4111 1111 1111 1111'
/** A number that is masked and its digits, however they are set. */
export const CARD_DIGITS = '4111111111111111'
/** No policy lets it in. */
export const API_KEY = ['sk', 'proj', 'A1b2C3d4E5f6G7h8'.repeat(3)].join('-')
/** Short pieces, so that every value of interest is cut. */
const PIECE_LENGTH = 5

export interface Conformance {
  readonly house: House
  readonly account: HouseAccount
  readonly mock: LLMock
  readonly scripted: ScriptedUpstream
  /** Trusts the local CA, as a client does that was given `ca.pem`. */
  readonly fetch: typeof globalThis.fetch
  readonly baseURL: string
  close(): Promise<void>
}

/** What the mock answers, by words of the last message. */
function script(mock: LLMock): void {
  const usage = { prompt_tokens: 3, completion_tokens: 4, total_tokens: 7, input_tokens: 3, output_tokens: 4 }
  mock.onMessage(/card/, { content: `The card on file is ${CARD}, valid until next year.`, usage })
  mock.onMessage(/think/, { content: 'Done.', reasoning: `The card is ${CARD}, I think.` })
  mock.onMessage(/json/, { content: JSON.stringify({ card: CARD, ok: true }) })
  mock.onMessage(/pay/, { toolCalls: [{ name: 'pay', arguments: JSON.stringify({ card: CARD, amount: 3 }) }] })
  mock.onMessage(/hello|CREDIT_CARD/, { content: 'Hello there, how are you?' })
  mock.onEmbedding(/./, { embedding: [0.5, -2, 0.25, 1] })
}

/** @param change alters the section `chat` of the configuration, given the addresses of the mock and of the scripted upstream. */
export async function openConformance(
  change: (chat: any, at: { readonly mock: string; readonly scripted: string }) => unknown = (chat) => chat,
): Promise<Conformance> {
  const mock = new LLMock({ port: 0, chunkSize: PIECE_LENGTH, logLevel: 'silent' })
  script(mock)
  await mock.start()
  const scripted = await startScriptedUpstream()
  const at = { mock: `${mock.url}/v1`, scripted: scripted.url }
  const loopback = { allowLoopbackHttp: true, headersTimeoutMs: 5_000, retries: 0 }
  const house = await openHouse((configuration: Configuration) => ({
    ...configuration,
    chat: upstreamsSchema.parse(
      change(
        {
          upstreams: {
            ...configuration.chat.upstreams,
            mock: { ...loopback, baseUrl: at.mock },
            claude: { ...loopback, baseUrl: at.mock, api: 'anthropic' },
            scripted: { ...loopback, baseUrl: at.scripted },
            scriptedclaude: { ...loopback, baseUrl: at.scripted, api: 'anthropic' },
          },
          models: {
            assistant: { upstream: 'watched', model: 'watched' },
            mock: { upstream: 'mock', model: 'gpt-4o' },
            claude: { upstream: 'claude', model: 'claude-sonnet-4-5' },
            scripted: { upstream: 'scripted', model: 'real' },
            scriptedclaude: { upstream: 'scriptedclaude', model: 'real' },
          },
        },
        at,
      ),
    ),
  }))
  const account = await house.account('conformance')
  const agent = new Agent({ connect: { ca: house.ca } })
  const fetch = (url: string, init: object): Promise<unknown> => undiciFetch(url, { ...init, dispatcher: agent })
  return {
    house,
    account,
    mock,
    scripted,
    fetch: fetch as never,
    baseURL: `${house.server.url}/v1`,
    async close() {
      await agent.close()
      await house.close()
      await mock.stop()
      await scripted.close()
    },
  }
}

export interface ScriptedUpstream {
  readonly url: string
  /** `PATH BODY` of each request, oldest first. */
  readonly asked: readonly string[]
  readonly headers: readonly IncomingMessage['headers'][]
  /** Statuses to answer with before anything else, one for each request. */
  readonly failures: number[]
  close(): Promise<void>
}

/** Completions of OpenAI's API, answers of both APIs after a search of the web, and counts of Anthropic's; a message `block` makes the answer hold what may not leave. */
async function startScriptedUpstream(): Promise<ScriptedUpstream> {
  const asked: string[] = []
  const headers: IncomingMessage['headers'][] = []
  const failures: number[] = []
  const server = createServer((request, response) => {
    let body = ''
    request.on('data', (part: Buffer) => (body += part.toString()))
    request.on('end', () => {
      asked.push(`${request.url} ${body}`)
      headers.push(request.headers)
      const failure = failures.shift()
      if (failure !== undefined) return json(response, failure, { error: { message: 'no', type: 'server_error', code: null, param: null } })
      return answer(request.url ?? '', JSON.parse(body) as Record<string, unknown>, response)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    asked,
    headers,
    failures,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

const TEXT = `The card is ${CARD}, yes.`
const USAGE = { prompt_tokens: 3, completion_tokens: 4, total_tokens: 7 }

function answer(path: string, body: Record<string, unknown>, response: ServerResponse): void {
  const choice = { index: 0, logprobs: null, finish_reason: 'stop' }
  if (path === '/v1/chat/completions')
    return json(response, 200, {
      id: 'c',
      created: 1,
      model: 'real',
      choices: [{ ...choice, message: { role: 'assistant', content: `scripted: ${TEXT}` } }],
      usage: USAGE,
    })
  if (path === '/v1/completions') {
    if (body['stream'] !== true)
      return json(response, 200, {
        id: 'cmpl',
        object: 'text_completion',
        created: 1,
        model: 'real',
        choices: [{ ...choice, text: TEXT }],
        usage: USAGE,
      })
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    for (const text of pieces(TEXT))
      response.write(`data: ${JSON.stringify({ id: 'cmpl', choices: [{ index: 0, text, finish_reason: null }] })}\n\n`)
    response.write(`data: ${JSON.stringify({ id: 'cmpl', choices: [{ ...choice, text: '' }] })}\n\n`)
    return void response.end('data: [DONE]\n\n')
  }
  if (path === '/v1/responses')
    return body['stream'] === true ? told(response, searchedResponseEvents(CARD)) : json(response, 200, searchedResponse(CARD))
  if (path === '/v1/messages')
    return body['stream'] === true ? told(response, searchedMessageEvents(CARD)) : json(response, 200, searchedMessage(CARD))
  if (path === '/v1/messages/count_tokens') return json(response, 200, { input_tokens: 14 })
  return json(response, 404, { error: { message: 'unknown', type: 'invalid_request_error', code: 'not_found', param: null } })
}

const pieces = (text: string): readonly string[] => text.match(new RegExp(`[\\s\\S]{1,${PIECE_LENGTH}}`, 'g')) ?? []

function told(response: ServerResponse, events: readonly { readonly type: string }[]): void {
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  for (const event of events) response.write(`event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`)
  response.end()
}

function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(JSON.stringify(body))
}

/** Puts the default policy for programs in force with `annotations` on its permit to call. @returns what takes it away again. */
export async function annotate({ house }: Conformance, annotations: string): Promise<() => Promise<void>> {
  const own = readFileSync(new URL('../../src/trust/policy/defaults/application.cedar', import.meta.url), 'utf8')
  const text = own.replace('@id("application-invoke-endpoint")', `@id("application-invoke-endpoint")\n${annotations}`)
  const path = '/api/v1/policies/application'
  const answer = await house.call('PUT', path, { token: house.token, json: { text } })
  if (answer.status !== 200) throw new Error(`the policy is refused: ${answer.text}`)
  return async () => void (await house.call('DELETE', path, { token: house.token }))
}

/** The error of a call that has to fail. */
export async function failureOf(call: Promise<unknown>): Promise<any> {
  return call.then(
    () => {
      throw new Error('the call did not fail')
    },
    (error: unknown) => error,
  )
}

/** True when no digits of the planted number are left, however they are set. */
export const isMasked = (text: string): boolean =>
  text.includes('[CREDIT_CARD]') && !text.replace(/\D/g, '').includes(CARD_DIGITS.slice(0, 8))
