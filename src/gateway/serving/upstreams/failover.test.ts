import { type ErrorCode, RedoubtError } from '#foundation/core'
import { describe, expect, it } from 'vitest'
import type { UpstreamHandler } from './exchange.ts'
import { type Attempt, dispatchInOrder } from './failover.ts'
import type { UpstreamRoute } from './upstreams.ts'

const NOW = Date.UTC(2026, 0, 15)
const place = (upstream: string, change: Partial<UpstreamRoute> = {}): UpstreamRoute => ({
  model: 'assistant',
  upstream,
  upstreamModel: `${upstream}-model`,
  sandbox: false,
  vendor: '',
  region: '',
  sensitivity: 'internal',
  purposes: [],
  api: 'openai',
  retries: 0,
  agreedUntil: NOW + 1,
  fallbacks: [],
  created: 1,
  ...change,
})

type Answer = (handler: UpstreamHandler) => void
const failing =
  (code: ErrorCode, upstreamStatus?: number): Answer =>
  (handler) =>
    handler.error(new RedoubtError(code, undefined, { evidence: upstreamStatus === undefined ? {} : { upstreamStatus } }))
const fine: Answer = (handler) => {
  handler.start(200, {})
  handler.data(Buffer.from('{}'))
  handler.end()
}
const UNREACHABLE = failing('ERR_UPSTREAM_UNREACHABLE')

/** Runs one request against places that answer as told, in order; says who was asked with which body, and how it ended. */
function run(
  route: UpstreamRoute,
  answers: Readonly<Record<string, readonly Answer[]>>,
  change: Partial<Attempt> = {},
): Promise<{ readonly asked: readonly string[]; readonly heard: readonly string[] }> {
  const asked: string[] = []
  const heard: string[] = []
  const queues = new Map(Object.entries(answers).map(([name, list]) => [name, [...list]]))
  return new Promise((resolve) => {
    const attempt: Attempt = {
      route,
      body: ({ upstreamModel }) => upstreamModel,
      options: { stream: false },
      now: () => NOW,
      admit: async () => null,
      ...change,
    }
    const upstreams = {
      dispatch(to: UpstreamRoute, body: Uint8Array | string, _options: unknown, handler: UpstreamHandler) {
        asked.push(`${to.upstream}: ${String(body)}`)
        const answer = queues.get(to.upstream)?.shift()
        setImmediate(() => answer?.(handler))
        return {
          abort: () => heard.push(`aborted ${to.upstream}`),
          release: () => undefined,
          pause: () => undefined,
          resume: () => undefined,
        }
      },
    }
    const end = (what: string): void => {
      heard.push(what)
      setImmediate(() => resolve({ asked, heard }))
    }
    dispatchInOrder(
      upstreams,
      attempt,
      {
        start: () => void heard.push('start'),
        data: () => void heard.push('data'),
        end: () => end('end'),
        error: ({ code }) => end(code),
      },
      1,
    )
  })
}

describe('a request that may go to several places', () => {
  it('is sent again to the same place when it cannot have been answered, and no more often than said', async () => {
    const patient = place('one', { retries: 2 })
    expect(await run(patient, { one: [UNREACHABLE, failing('ERR_UPSTREAM_REFUSED', 503), fine] })).toEqual({
      asked: ['one: one-model', 'one: one-model', 'one: one-model'],
      heard: ['start', 'data', 'end'],
    })
    const { asked, heard } = await run(patient, { one: [UNREACHABLE, UNREACHABLE, UNREACHABLE, fine] })
    expect(asked).toHaveLength(3)
    expect(heard).toEqual(['ERR_UPSTREAM_UNREACHABLE'])
  })

  it.each<[ErrorCode, number | undefined]>([
    ['ERR_UPSTREAM_TIMEOUT', undefined],
    ['ERR_UPSTREAM_REFUSED', 500],
    ['ERR_UPSTREAM_REFUSED', 401],
    ['ERR_UPSTREAM_REJECTED', 400],
    ['ERR_UPSTREAM_PROTOCOL', undefined],
    ['ERR_UPSTREAM_LIMIT', 429],
  ])('is not sent again after %s (%s)', async (code, status) => {
    const { asked, heard } = await run(place('one', { retries: 3 }), { one: [failing(code, status), fine] })
    expect(asked).toHaveLength(1)
    expect(heard).toEqual([code])
  })

  it('is never sent again once an answer has begun', async () => {
    const broken: Answer = (handler) => {
      handler.start(200, {})
      handler.error(new RedoubtError('ERR_UPSTREAM_RESET'))
    }
    const { asked, heard } = await run(place('one', { retries: 3, fallbacks: [place('two')] }), { one: [broken, fine], two: [fine] })
    expect(asked).toEqual(['one: one-model'])
    expect(heard).toEqual(['start', 'ERR_UPSTREAM_RESET'])
  })

  it('goes to the next place in order, under the name that the model has there', async () => {
    const route = place('one', { fallbacks: [place('two'), place('three')] })
    const { asked, heard } = await run(route, {
      one: [failing('ERR_UPSTREAM_TIMEOUT')],
      two: [failing('ERR_UPSTREAM_REFUSED', 500)],
      three: [fine],
    })
    expect(asked).toEqual(['one: one-model', 'two: two-model', 'three: three-model'])
    expect(heard).toEqual(['start', 'data', 'end'])
  })

  it('answers with the first failure when no place answers, and with what a place says of the request itself', async () => {
    const route = place('one', { fallbacks: [place('two')] })
    expect((await run(route, { one: [failing('ERR_UPSTREAM_TIMEOUT')], two: [UNREACHABLE] })).heard).toEqual(['ERR_UPSTREAM_TIMEOUT'])
    expect((await run(route, { one: [UNREACHABLE], two: [failing('ERR_UPSTREAM_REJECTED', 400)] })).heard).toEqual([
      'ERR_UPSTREAM_REJECTED',
    ])
    const { asked } = await run(route, { one: [failing('ERR_UPSTREAM_REJECTED', 400)], two: [fine] })
    expect(asked).toEqual(['one: one-model'])
  })

  it('passes over a place without an agreement, or whose agreement has ended (D4)', async () => {
    const route = place('one', { fallbacks: [place('none', { agreedUntil: null }), place('ended', { agreedUntil: NOW }), place('good')] })
    const { asked } = await run(route, { one: [UNREACHABLE], none: [fine], ended: [fine], good: [fine] })
    expect(asked).toEqual(['one: one-model', 'good: good-model'])
  })

  it('passes over a place to which the policies do not let it go (B7, D4)', async () => {
    const route = place('one', { fallbacks: [place('two'), place('three')] })
    const seen: string[] = []
    const { asked } = await run(
      route,
      { one: [UNREACHABLE], two: [fine], three: [fine] },
      {
        admit: async ({ upstream }) => {
          seen.push(upstream)
          return upstream === 'two' ? new RedoubtError('ERR_POLICY_DENIED') : null
        },
      },
    )
    expect(seen).toEqual(['two', 'three'])
    expect(asked).toEqual(['one: one-model', 'three: three-model'])
  })

  it('is sent nowhere any more once it was broken off', async () => {
    for (const at of ['while it pauses', 'while it is decided anew']) {
      const asked: string[] = []
      let admitted: (refused: null) => void = () => undefined
      const heard: string[] = []
      const attempt: Attempt = {
        route: place('one', at === 'while it pauses' ? { retries: 1 } : { fallbacks: [place('two')] }),
        body: () => '',
        options: { stream: false },
        now: () => NOW,
        admit: () => new Promise((resolve) => (admitted = resolve)),
      }
      const upstreams = {
        dispatch({ upstream }: UpstreamRoute, _body: unknown, _options: unknown, handler: UpstreamHandler) {
          asked.push(upstream)
          setImmediate(() => UNREACHABLE(handler))
          return { abort: () => undefined, release: () => undefined, pause: () => undefined, resume: () => undefined }
        },
      }
      const handler: UpstreamHandler = {
        start: () => undefined,
        data: () => undefined,
        end: () => undefined,
        error: ({ code }) => void heard.push(code),
      }
      const exchange = dispatchInOrder(upstreams, attempt, handler, 20)
      await new Promise((resolve) => setTimeout(resolve, 5))
      exchange.abort('client gone')
      admitted(null)
      await new Promise((resolve) => setTimeout(resolve, 40))
      expect({ at, asked, heard }).toEqual({ at, asked: ['one'], heard: [] })
    }
  })
})
