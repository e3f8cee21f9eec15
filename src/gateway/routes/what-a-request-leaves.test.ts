import type { ServerResponse } from 'node:http'
import { GCProfiler } from 'node:v8'
import { describe, expect, it } from 'vitest'
import { type Call, Cancellation, RunningStreams } from '#gateway/pipeline'
import type { Principal } from '#trust/identity'
import { httpReply } from './http-reply.ts'

const REQUESTS = 60_000
const REQUEST_BYTES = 2_048
const RUNNING_AT_ONCE = 32

const PAYLOAD: readonly number[] = Array.from({ length: REQUEST_BYTES / 8 }, (_, i) => i)
const newPayload = (): readonly number[] => PAYLOAD.slice()

/** What cheap collections carry over into the old generation, where it stays until the next full one, while requests come and go. */
function bytesKept(request: (payload: readonly number[]) => void): number {
  for (let i = 0; i < 2 * RUNNING_AT_ONCE; i++) request(newPayload())
  // What stays for good, tables that requests enter and leave among it, grows old first, as it does in a server.
  for (let i = 0; i < 4 * REQUESTS; i++) newPayload()
  const profiler = new GCProfiler()
  profiler.start()
  for (let i = 0; i < REQUESTS; i++) request(newPayload())
  let kept = 0
  let collections = 0
  for (const { gcType, beforeGC, afterGC } of profiler.stop()?.statistics ?? []) {
    if (gcType !== 'Scavenge') continue
    collections++
    const old = (of: typeof beforeGC): number =>
      of.heapSpaceStatistics.find(({ spaceName }) => spaceName === 'old_space')?.spaceUsedSize ?? 0
    kept += old(afterGC) - old(beforeGC)
  }
  expect(collections).toBeGreaterThan(1)
  return kept
}

describe('what a request leaves behind', () => {
  it('a reply that was sent is gone with the next cheap collection', () => {
    const kept = bytesKept((payload) => {
      const reply = httpReply({ payload } as Partial<ServerResponse> as ServerResponse)
      reply.setHeaders({ 'x-request-id': 'req_1' })
    })
    expect(kept).toBeLessThan((REQUESTS * REQUEST_BYTES) / 20)
  })

  it('so is what ran and has ended', () => {
    const streams = new RunningStreams({ stillValid: () => null })
    const running: (() => void)[] = []
    const who = {} as Partial<Principal> as Principal
    const kept = bytesKept((payload) => {
      const call = { payload, stillServable: () => null } as Partial<Call> as Call
      running.push(streams.add({ principal: who, call, cancellation: new Cancellation(), decideAgain: () => null }))
      if (running.length > RUNNING_AT_ONCE) running.shift()?.()
    })
    expect(kept).toBeLessThan((REQUESTS * REQUEST_BYTES) / 20)
  })
})
