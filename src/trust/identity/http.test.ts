import { createServer } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { RedoubtError } from '#foundation/core'
import { describe, expect, it } from 'vitest'
import { MAX_BODY_BYTES, readBody } from './http.ts'
import { TokenCache } from './token-cache.ts'

/** Sends `text` as it is and keeps the connection open. @returns what `readBody` made of it. */
async function read(text: string, timeoutMs: number): Promise<string> {
  let socket: ReturnType<typeof connect> | undefined
  const server = createServer()
  const result = new Promise<string>((resolve) => {
    server.on('request', (req) => {
      readBody(req, timeoutMs).then(
        (body) => resolve(`${body.byteLength} bytes`),
        (error: unknown) => resolve(error instanceof RedoubtError ? error.code : String(error)),
      )
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  try {
    socket = connect((server.address() as AddressInfo).port, '127.0.0.1', () => socket?.write(text))
    return await result
  } finally {
    socket?.destroy()
    server.closeAllConnections()
    server.close()
  }
}

describe('reading a body', () => {
  it.each<[string, string, string]>([
    ['a whole body', 'content-length: 3\r\n\r\nabc', '3 bytes'],
    ['a body of exactly the bound', `content-length: ${MAX_BODY_BYTES}\r\n\r\n${'a'.repeat(MAX_BODY_BYTES)}`, `${MAX_BODY_BYTES} bytes`],
    ['a declared length over the bound', `content-length: ${MAX_BODY_BYTES + 1}\r\n\r\n`, 'ERR_INPUT_TOO_LARGE'],
    ['chunks over the bound', `transfer-encoding: chunked\r\n\r\n5000\r\n${'a'.repeat(0x5000)}\r\n`, 'ERR_INPUT_TOO_LARGE'],
    ['a body that does not come', 'content-length: 10\r\n\r\nabc', 'ERR_INPUT_TIMEOUT'],
  ])('of %s', async (_what, rest, expected) => {
    expect(await read(`POST / HTTP/1.1\r\nhost: x\r\n${rest}`, 50)).toBe(expected)
  })
})

describe('the cache of verified tokens', () => {
  it('holds no more than its bound, and keeps what is used', () => {
    const cache = new TokenCache<number>(10)
    cache.set('kept', 0)
    for (let i = 1; i <= 1_000; i++) {
      cache.set(`k${i}`, i)
      expect(cache.get('kept')).toBe(0)
      expect(cache.size).toBeLessThanOrEqual(10)
    }
    expect(cache.get('k1')).toBeUndefined()
    expect(cache.get('k1000')).toBe(1_000)
    cache.delete('kept')
    expect(cache.get('kept')).toBeUndefined()
  })
})
