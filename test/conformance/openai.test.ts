/** The published `openai` package, unchanged, over TLS: every API that it is served. Chat alone: test/house/openai-client.test.ts. */
import { readFileSync } from 'node:fs'
import OpenAI from 'openai'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { annotate, API_KEY, CARD, type Conformance, failureOf, isMasked, openConformance } from './conformance.fixture.ts'

let at: Conformance
let client: OpenAI
beforeAll(async () => {
  at = await openConformance()
  client = clientWith(0)
})
afterAll(() => at.close())

const clientWith = (maxRetries: number): OpenAI =>
  new OpenAI({ baseURL: at.baseURL, apiKey: at.account.token, maxRetries, fetch: at.fetch })
const say = (content: string) => [{ role: 'user' as const, content }]
const tools = [{ type: 'function' as const, function: { name: 'pay', parameters: { type: 'object', properties: {} } } }]

describe('the openai client, chat completions', () => {
  it('gets tool calls with their arguments masked, whole and streamed (C6)', async () => {
    const whole = await client.chat.completions.create({ model: 'mock', messages: say('pay please'), tools })
    const call = whole.choices[0]?.message.tool_calls?.[0]
    const streamed = await client.chat.completions.stream({ model: 'mock', messages: say('pay please'), tools }).finalChatCompletion()
    const again = streamed.choices[0]?.message.tool_calls?.[0]
    for (const one of [call, again]) {
      const { name, arguments: args } = one?.type === 'function' ? one.function : { name: '', arguments: '{}' }
      expect(name).toBe('pay')
      expect(JSON.parse(args)).toEqual({ card: '[CREDIT_CARD]', amount: 3 })
    }
  })

  it('gets JSON answers that are still JSON (C6)', async () => {
    const stream = client.chat.completions.stream({ model: 'mock', messages: say('json please'), response_format: { type: 'json_object' } })
    const final = await stream.finalChatCompletion()
    expect(JSON.parse(final.choices[0]?.message.content ?? '')).toEqual({ card: '[CREDIT_CARD]', ok: true })
  })

  it('gets reasoning masked, whole and streamed (C6)', async () => {
    const whole = await client.chat.completions.create({ model: 'mock', messages: say('think hard') })
    let streamed = ''
    for await (const chunk of await client.chat.completions.create({ model: 'mock', messages: say('think hard'), stream: true }))
      streamed += JSON.stringify(chunk.choices[0]?.delta ?? {})
    expect(isMasked(JSON.stringify(whole))).toBe(true)
    expect(streamed.replace(/\D/g, '')).not.toContain('41111111')
    expect(streamed).toContain('reasoning')
  })

  it('is refused images unless policy lets them pass unread (C6)', async () => {
    const image = { type: 'image_url' as const, image_url: { url: 'data:image/png;base64,iVBORw0KGgo=' } }
    const ask = () =>
      client.chat.completions.create({
        model: 'assistant',
        messages: [{ role: 'user', content: [{ type: 'text', text: 'hello' }, image] }],
      })
    const refused = await failureOf(ask())
    expect(refused).toMatchObject({ status: 400, code: 'err_filter_unreadable', param: 'messages[0].content[1].type' })
    const put = async (name: string, text: string): Promise<void> => {
      const answer = await at.house.call('PUT', `/api/v1/policies/${name}`, { token: at.house.token, json: { text } })
      expect(answer.status, answer.text).toBe(200)
    }
    // A second permit loosens nothing: only what every one of them lets pass passes.
    await put(
      'sees',
      '@id("sees") @unread_input("image") permit (principal in Role::"application", action == Action::"invoke", resource is Endpoint);',
    )
    expect(await failureOf(ask())).toMatchObject({ status: 400, code: 'err_filter_unreadable' })
    // The file of the default permit, with one annotation more, in its place.
    const own = readFileSync(new URL('../../src/trust/policy/defaults/application.cedar', import.meta.url), 'utf8')
    await put(
      'application',
      own.replace('@id("application-invoke-endpoint")', '@id("application-invoke-endpoint")\n@unread_input("image")'),
    )
    expect((await ask()).choices[0]?.message.content).toBe('ok')
    expect(at.house.upstream.bodies.at(-1)).toContain(image.image_url.url)
    for (const name of ['application', 'sees']) await at.house.call('DELETE', `/api/v1/policies/${name}`, { token: at.house.token })
    expect(await failureOf(ask())).toMatchObject({ status: 400, code: 'err_filter_unreadable' })
  })
})

describe('the openai client, tools', () => {
  it('is held to the tools that the policies name, and their arguments to the schemas of the request (C6)', async () => {
    const own = readFileSync(new URL('../../src/trust/policy/defaults/application.cedar', import.meta.url), 'utf8')
    const put = async (annotations: string): Promise<void> => {
      const text = own.replace('@id("application-invoke-endpoint")', `@id("application-invoke-endpoint")\n${annotations}`)
      const answer = await at.house.call('PUT', '/api/v1/policies/application', { token: at.house.token, json: { text } })
      expect(answer.status, answer.text).toBe(200)
    }
    const ask = (name: string, amount: string) => ({
      model: 'mock',
      messages: [{ role: 'user' as const, content: 'pay please' }],
      tools: [
        {
          type: 'function' as const,
          function: {
            name,
            parameters: { type: 'object', properties: { card: { type: 'string' }, amount: { type: amount } }, required: ['card'] },
          },
        },
      ],
    })
    await put('@tools("pay")\n@tool_arguments("check")')
    expect(await failureOf(client.chat.completions.create(ask('refund', 'integer')))).toMatchObject({
      status: 403,
      code: 'err_policy_tool',
      param: 'tools[0]',
    })
    const whole = await client.chat.completions.create(ask('pay', 'integer'))
    expect(JSON.stringify(whole.choices[0]?.message.tool_calls)).toContain('[CREDIT_CARD]')
    const streamed = await client.chat.completions.stream(ask('pay', 'integer')).finalChatCompletion()
    expect(JSON.stringify(streamed.choices[0]?.message.tool_calls)).toContain('[CREDIT_CARD]')
    expect(await failureOf(client.chat.completions.create(ask('pay', 'string')))).toMatchObject({ status: 400, code: 'content_filter' })
    let reason: string | null = null
    let told = ''
    for await (const { choices } of await client.chat.completions.create({ ...ask('pay', 'string'), stream: true })) {
      reason = choices[0]?.finish_reason ?? reason
      told += choices[0]?.delta.tool_calls?.[0]?.function?.arguments ?? ''
    }
    expect([reason, told]).toEqual(['content_filter', ''])
    await put('@tools("none")')
    expect(await failureOf(client.chat.completions.create(ask('pay', 'integer')))).toMatchObject({ status: 403, code: 'err_policy_tool' })
    await at.house.call('DELETE', '/api/v1/policies/application', { token: at.house.token })
    const without = { ...ask('pay', 'integer'), tools: [{ type: 'web_search' }] } as never
    expect(await failureOf(client.chat.completions.create(without))).toMatchObject({ status: 403, code: 'err_policy_tool' })
  })
})

describe('the openai client, tools that the upstream runs', () => {
  it('may ask for those that a policy names, and gets what they bring masked, whole and streamed (C6)', async () => {
    const ask = {
      model: 'scripted',
      input: 'who has it?',
      tools: [{ type: 'web_search' as const }],
      include: ['web_search_call.action.sources' as const],
    }
    const before = at.scripted.asked.length
    expect(await failureOf(client.responses.create(ask))).toMatchObject({ status: 403, code: 'err_policy_tool', param: 'tools[0]' })
    // Its name alone is that of a function.
    for (const names of ['none', 'web_search', 'hosted:file_search']) {
      const restore = await annotate(at, `@tools("${names}")`)
      expect(await failureOf(client.responses.create(ask))).toMatchObject({ status: 403, code: 'err_policy_tool' })
      await restore()
    }
    expect(at.scripted.asked.length).toBe(before)

    const restore = await annotate(at, '@tools("hosted:web_search")')
    const whole = await client.responses.create(ask)
    const stream = client.responses.stream(ask)
    const events: unknown[] = []
    for await (const event of stream) events.push(event)
    const final = await stream.finalResponse()
    expect(at.scripted.asked.at(-1)).toContain('"web_search"')
    await restore()
    for (const answer of [whole, final]) {
      const search = answer.output.find(({ type }) => type === 'web_search_call')
      expect(search).toMatchObject({ status: 'completed', action: { type: 'search', query: 'who has [CREDIT_CARD]' } })
      expect(answer.output_text).toBe('The page says [CREDIT_CARD], no more.')
    }
    for (const said of [whole, final, events]) expect(JSON.stringify(said).replace(/\D/g, '')).not.toContain('41111111')
    expect(events).toContainEqual(expect.objectContaining({ type: 'response.web_search_call.completed' }))
  })
})

describe('the openai client, completions', () => {
  it('gets a completion masked, whole and streamed (C6)', async () => {
    const whole = await client.completions.create({ model: 'scripted', prompt: 'complete' })
    expect(isMasked(whole.choices[0]?.text ?? '')).toBe(true)
    expect(whole).toMatchObject({ object: 'text_completion', model: 'scripted', usage: { total_tokens: 7 } })
    let streamed = ''
    for await (const chunk of await client.completions.create({ model: 'scripted', prompt: 'complete', stream: true }))
      streamed += chunk.choices[0]?.text ?? ''
    expect(streamed).toBe(whole.choices[0]?.text)
  })

  it('sends prompts masked, and token ids not at all (C6)', async () => {
    await client.completions.create({ model: 'scripted', prompt: [`pay with ${CARD}`] })
    expect(at.scripted.asked.at(-1)).toContain('[CREDIT_CARD]')
    const before = at.scripted.asked.length
    expect(await failureOf(client.completions.create({ model: 'scripted', prompt: [1, 2, 3] }))).toMatchObject({
      status: 400,
      code: 'err_filter_unreadable',
      param: 'prompt',
    })
    expect(at.scripted.asked.length).toBe(before)
  })
})

describe('the openai client, embeddings', () => {
  it('gets vectors in both encodings: base64 is what it asks for by itself', async () => {
    const byDefault = await client.embeddings.create({ model: 'mock', input: 'hello' })
    const floats = await client.embeddings.create({ model: 'mock', input: ['hello', 'card'], encoding_format: 'float' })
    expect(byDefault.data.map(({ embedding }) => [...embedding])).toEqual([[0.5, -2, 0.25, 1]])
    expect(floats.data.map(({ embedding, index }) => [index, ...embedding])).toEqual([
      [0, 0.5, -2, 0.25, 1],
      [1, 0.5, -2, 0.25, 1],
    ])
    expect(floats.model).toBe('mock')
  })

  it('is refused secrets, and token ids that no filter can read (C6)', async () => {
    expect(await failureOf(client.embeddings.create({ model: 'mock', input: API_KEY }))).toMatchObject({
      status: 400,
      code: 'content_filter',
    })
    expect(await failureOf(client.embeddings.create({ model: 'mock', input: [[1, 2]] }))).toMatchObject({
      status: 400,
      code: 'err_filter_unreadable',
      param: 'input',
    })
  })
})

describe('the openai client, responses', () => {
  it('gets a response masked, whole and streamed (C6)', async () => {
    const whole = await client.responses.create({ model: 'mock', input: 'card please' })
    expect(isMasked(whole.output_text)).toBe(true)
    expect(whole.model).toBe('mock')
    const stream = client.responses.stream({ model: 'mock', input: 'card please' })
    let streamed = ''
    for await (const event of stream) if (event.type === 'response.output_text.delta') streamed += event.delta
    expect(streamed).toBe(whole.output_text)
    expect((await stream.finalResponse()).output_text).toBe(whole.output_text)
  })

  it('gets what the sandbox says, so that a first start serves this API too (C6)', async () => {
    const whole = await client.responses.create({ model: 'sandbox', input: 'planted card' })
    const final = await client.responses.stream({ model: 'sandbox', input: 'planted card' }).finalResponse()
    expect(isMasked(whole.output_text)).toBe(true)
    expect(final.output_text).toBe(whole.output_text)
    const [completion] = await at.house.entries({ type: 'inference.completion', limit: '1' })
    // Told in pieces, at the end of the text, of the part, of the item and of the response: found once.
    expect(completion?.event['details']).toMatchObject({ surface: 'openai.responses', outputFindings: { CREDIT_CARD: 1 } })
  })

  it('gets function calls with their arguments masked, whole and streamed (C6)', async () => {
    const functions = [{ type: 'function' as const, name: 'pay', parameters: {}, strict: false }]
    const whole = await client.responses.create({ model: 'mock', input: 'pay please', tools: functions })
    const final = await client.responses.stream({ model: 'mock', input: 'pay please', tools: functions }).finalResponse()
    for (const { output } of [whole, final]) {
      const call = output.find(({ type }) => type === 'function_call') as { arguments: string } | undefined
      expect(JSON.parse(call?.arguments ?? '{}')).toEqual({ card: '[CREDIT_CARD]', amount: 3 })
    }
  })

  it('sends nothing that the upstream could keep, and is told what is not served', async () => {
    await client.responses.create({ model: 'mock', input: `hello ${CARD}` })
    const sent = JSON.stringify(at.mock.getLastRequest()?.body)
    expect(sent).toContain('[CREDIT_CARD]')
    expect(sent).not.toContain('4111')
    for (const [change, param] of [
      [{ store: true }, 'store'],
      [{ previous_response_id: 'resp_1' }, 'previous_response_id'],
      [{ background: true }, 'background'],
      [{ tools: [{ type: 'image_generation' as const }] }, 'tools[0].type'],
    ] as const)
      expect(await failureOf(client.responses.create({ model: 'mock', input: 'hello', ...change } as never))).toMatchObject({
        status: 400,
        param,
      })
  })

  it('is refused a secret before anything is sent, and hears of it as content_filter (C6)', async () => {
    const before = at.mock.getRequests().length
    expect(await failureOf(client.responses.create({ model: 'mock', input: API_KEY }))).toMatchObject({
      status: 400,
      code: 'content_filter',
    })
    expect(at.mock.getRequests().length).toBe(before)
  })
})

describe('the openai client, failures', () => {
  it('tries again what may succeed, and not what was refused', async () => {
    at.scripted.failures.push(500)
    const before = at.scripted.asked.length
    const answer = await clientWith(2).completions.create({ model: 'scripted', prompt: 'again' })
    expect(answer.choices[0]?.text).toContain('[CREDIT_CARD]')
    expect(at.scripted.asked.length - before).toBe(2)
    const refusals = async (): Promise<number> => (await at.house.entries({ type: 'inference.refusal', limit: '100' })).length
    const recorded = await refusals()
    await failureOf(clientWith(2).embeddings.create({ model: 'mock', input: API_KEY }))
    expect((await refusals()) - recorded).toBe(1)
  })

  it('is told in one shape on every API about models that there are not and tokens that are none', async () => {
    const stranger = new OpenAI({ baseURL: at.baseURL, apiKey: 'garbage', maxRetries: 0, fetch: at.fetch })
    for (const [who, status, model] of [
      [client, 404, 'absent'],
      [stranger, 401, 'mock'],
    ] as const)
      for (const call of [
        () => who.chat.completions.create({ model, messages: say('x') }),
        () => who.completions.create({ model, prompt: 'x' }),
        () => who.embeddings.create({ model, input: 'x' }),
        () => who.responses.create({ model, input: 'x' }),
      ]) {
        const error = await failureOf(call())
        expect(error).toMatchObject({ status })
        expect(error.requestID).toMatch(/^req_/)
      }
  })

  it('cancels the upstream when it breaks off', async () => {
    const cancelled = at.house.upstream.nextCancellation()
    const controller = new AbortController()
    const stream = await client.chat.completions.create(
      { model: 'assistant', messages: say('hold'), stream: true },
      { signal: controller.signal },
    )
    for await (const chunk of stream) {
      void chunk
      controller.abort()
    }
    await cancelled
  })
})
