import { describe, expect, it } from 'vitest'
import { DEFAULT_CHUNK_TIMEOUT_MS, upstreamsSchema } from './config.ts'

const parse = (upstream: object, models: object = {}): { success: boolean; text: string } => {
  const result = upstreamsSchema.safeParse({ upstreams: { one: upstream }, models })
  return { success: result.success, text: result.success ? '' : JSON.stringify(result.error.issues) }
}

describe('upstreamsSchema', () => {
  it('fills in the defaults', () => {
    const config = upstreamsSchema.parse({
      upstreams: { one: { baseUrl: 'https://models.example/v1' } },
      models: { m: { upstream: 'one', model: 'x' } },
    })
    expect(config.upstreams['one']).toMatchObject({ allowLoopbackHttp: false, sandbox: false, chunkTimeoutMs: DEFAULT_CHUNK_TIMEOUT_MS })
    expect(config.models['m']).toEqual({ upstream: 'one', model: 'x', sensitivity: 'internal', purposes: [], fallbacks: [] })
    expect(config.upstreams['one']).toMatchObject({ api: 'openai', retries: 1 })
    expect(upstreamsSchema.parse({})).toEqual({ upstreams: {}, models: {} })
  })

  it.each(['http://127.0.0.1:1/v1', 'http://localhost/v1', 'http://[::1]:1/v1', 'http://127.9.9.9/v1'])(
    'takes %s only when this upstream allows it by name (A2)',
    (baseUrl) => {
      expect(parse({ baseUrl }).text).toMatch(/allowLoopbackHttp/)
      expect(parse({ baseUrl, allowLoopbackHttp: true }).success).toBe(true)
    },
  )

  it.each([
    'http://models.example/v1',
    'http://10.0.0.1/v1',
    'http://0.0.0.0/v1',
    'http://127.0.0.1.example/v1',
    'http://localhost.example/v1',
    'http://[::2]/v1',
  ])('refuses plain http to %s even so (A2)', (baseUrl) => {
    expect(parse({ baseUrl, allowLoopbackHttp: true }).text).toMatch(/loopback addresses only/)
  })

  it.each([
    'https://user:secret@models.example',
    'https://models.example/?key=1',
    'https://models.example/#a',
    'ftp://models.example',
    'not a url',
  ])('refuses %s', (baseUrl) => {
    expect(parse({ baseUrl }).success).toBe(false)
  })

  it('takes as a fallback only an upstream with an agreement on record that speaks the same API (D4)', () => {
    const baseUrl = 'https://models.example/v1'
    const agreement = { reference: 'DPA 2026-14', expires: '2027-06-30' }
    const config = (two: object, fallback = 'two') =>
      upstreamsSchema.safeParse({
        upstreams: { one: { baseUrl }, two: { baseUrl, ...two } },
        models: { m: { upstream: 'one', model: 'x', fallbacks: [{ upstream: fallback, model: 'y' }] } },
      })
    expect(config({ agreement }).success).toBe(true)
    for (const [result, why] of [
      [config({}), 'no `agreement` on record'],
      [config({ agreement, api: 'anthropic' }), 'speaks another API'],
      [config({ agreement }, 'three'), 'names no entry'],
    ] as const) {
      expect(result.success).toBe(false)
      expect(JSON.stringify(result.error?.issues)).toContain(why)
    }
    for (const expires of ['2027-13-01', 'soon', '']) expect(config({ agreement: { reference: 'r', expires } }).success).toBe(false)
    expect(config({ agreement: { reference: '', expires: '2027-06-30' } }).success).toBe(false)
  })

  it('refuses a credential in place of a reference, unknown keys and models that lead nowhere', () => {
    const baseUrl = 'https://models.example/v1'
    expect(parse({ baseUrl, apiKey: 'sk-secret' }).text).toMatch(/reference/)
    expect(parse({ baseUrl, apiKey: 'sk-secret' }).text).not.toMatch(/sk-secret/)
    expect(parse({ baseUrl, colour: 'red' }).success).toBe(false)
    expect(parse({ baseUrl }, { m: { upstream: 'two', model: 'x' } }).text).toMatch(/names no entry/)
  })
})
