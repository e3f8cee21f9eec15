import OpenAI from 'openai'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { SANDBOX_MODEL, type SandboxResponder, startSandboxResponder } from './sandbox-responder.ts'

let sandbox: SandboxResponder | null = null
let client = new OpenAI({ apiKey: 'none', baseURL: 'http://127.0.0.1:1' })

beforeAll(async () => {
  sandbox = await startSandboxResponder()
  client = new OpenAI({ apiKey: 'none', baseURL: sandbox.url, maxRetries: 0 })
})

afterAll(() => sandbox?.close())

const ask = (content: string): { model: string; messages: { role: 'user'; content: string }[] } => ({
  model: SANDBOX_MODEL,
  messages: [{ role: 'user', content }],
})

describe('sandbox responder, with the published openai client', () => {
  it('says that it is a sandbox, the same every time', async () => {
    const first = await client.chat.completions.create(ask('hello'))
    expect(first.choices[0]?.message.content).toMatch(/sandbox responder of Redoubt, not a language model/)
    expect(await client.chat.completions.create(ask('hello'))).toMatchObject({ choices: first.choices, usage: first.usage })
  })

  it('repeats a text on request, whole and in pieces that cut it', async () => {
    const text = 'card 4111 1111 1111 1111, 😀 done'
    expect(
      (await client.chat.completions.create({ ...ask(`repeat: ${text}`), n: 2 })).choices.map((choice) => choice.message.content),
    ).toEqual([text, text])
    const pieces: string[] = []
    const stream = await client.chat.completions.create({
      ...ask(`repeat: ${text}`),
      stream: true,
      stream_options: { include_usage: true },
    })
    let usage = 0
    for await (const { choices, usage: counted } of stream) {
      pieces.push(choices[0]?.delta.content ?? '')
      usage += counted?.total_tokens ?? 0
    }
    expect(pieces.join('')).toBe(text)
    expect(pieces.length).toBeGreaterThan(4)
    expect(usage).toBeGreaterThan(0)
  })

  it('says the same in the words of the responses API, whole and in pieces', async () => {
    const text = 'card 4111 1111 1111 1111, 😀 done'
    const whole = await client.responses.create({ model: SANDBOX_MODEL, input: `repeat: ${text}` })
    expect(whole).toMatchObject({ output_text: text, status: 'completed' })
    const input = [{ role: 'user' as const, content: [{ type: 'input_text' as const, text: `repeat: ${text}` }] }]
    const stream = client.responses.stream({ model: SANDBOX_MODEL, input })
    const pieces: string[] = []
    for await (const event of stream) if (event.type === 'response.output_text.delta') pieces.push(event.delta)
    expect(pieces.join('')).toBe(text)
    expect(pieces.length).toBeGreaterThan(4)
    expect((await stream.finalResponse()).output_text).toBe(text)
  })

  it('counts slowly, lists its model and refuses the rest', async () => {
    const stream = await client.chat.completions.create({ ...ask('count: 3'), stream: true })
    let text = ''
    for await (const { choices } of stream) text += choices[0]?.delta.content ?? ''
    expect(text).toBe('1 2 3')
    expect((await client.models.list()).data.map(({ id }) => id)).toEqual([SANDBOX_MODEL])
    await expect(client.embeddings.create({ model: 'x', input: 'y' })).rejects.toMatchObject({ status: 404 })
    const bad = await fetch(`${sandbox?.url}/chat/completions`, { method: 'POST', body: '{' })
    expect(bad.status).toBe(400)
  })
})
