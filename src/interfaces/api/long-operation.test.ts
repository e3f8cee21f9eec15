import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { FastifyReply } from 'fastify'
import { describe, expect, it } from 'vitest'
import { RedoubtError } from '#foundation/core'
import { longOperation } from './long-operation.ts'

describe('a long operation', () => {
  async function answered(
    work: Parameters<typeof longOperation>[2],
    leave = false,
  ): Promise<{ readonly lines: readonly any[]; readonly aborted: boolean }> {
    let aborted = false
    let finish: () => void = () => undefined
    const finished = new Promise<void>((resolve) => (finish = resolve))
    const server = createServer((request, response: ServerResponse) => {
      const reply = { hijack: () => undefined, raw: response, request: { raw: request } } as unknown as FastifyReply
      const watched: typeof work = (progress, signal) => {
        signal.addEventListener('abort', () => (aborted = true))
        return work(progress, signal)
      }
      longOperation(reply, { requestId: 'req_1', mayGoOn: () => null }, watched).then(finish, finish)
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const abort = new AbortController()
    const response = await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, { signal: abort.signal })
    if (leave) abort.abort()
    const text = await response.text().catch(() => '')
    await finished
    await new Promise((resolve) => server.close(resolve))
    const lines = text.trimEnd().split('\n')
    return { lines: lines.filter((line) => line !== '').map((line) => JSON.parse(line)), aborted }
  }

  it('ends with its result', async () => {
    const { lines } = await answered(async (progress) => {
      progress({ rows: 1 })
      return { rows: 2 }
    })
    expect(lines).toEqual([
      { type: 'progress', rows: 1 },
      { type: 'result', result: { rows: 2 } },
    ])
  })

  it('ends with its error, as a problem that a program can tell from a result', async () => {
    const { lines } = await answered(() => Promise.reject(new RedoubtError('ERR_DATA_RAGGED', 'line 3', { evidence: { line: 3 } })))
    expect(lines).toEqual([{ type: 'error', problem: expect.objectContaining({ code: 'ERR_DATA_RAGGED', line: 3, status: 422 }) }])
  })

  it('stops when nobody listens any more', async () => {
    const { aborted } = await answered((_progress, signal) => new Promise((resolve) => signal.addEventListener('abort', resolve)), true)
    expect(aborted).toBe(true)
  })
})
