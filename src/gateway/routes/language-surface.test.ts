import { RedoubtError } from '#foundation/core'
import { compilePlan } from '#gateway/filters'
import type { ServeIo, SurfaceAsk } from '#gateway/pipeline'
import type { UpstreamHandler, UpstreamRoute, Upstreams } from '#gateway/serving'
import { expect, it } from 'vitest'
import { CHAT_COMPLETIONS } from './chat-completions/protocol.ts'
import { languageSurface } from './language-surface.ts'
import { encode } from './routes.fixtures.ts'

const route = {
  model: 'm',
  upstream: 'u',
  upstreamModel: 'real',
  api: 'openai',
  retries: 0,
  agreedUntil: null,
  fallbacks: [],
} as unknown as UpstreamRoute
const calling = (name: string): object => ({
  choices: [
    {
      index: 0,
      message: { role: 'assistant', content: null, tool_calls: [{ id: 'c', type: 'function', function: { name, arguments: '{}' } }] },
      finish_reason: 'tool_calls',
    },
  ],
})

it('holds a whole answer to what policy says of tools (C6)', async () => {
  for (const [name, refused] of [
    ['pay', null],
    ['delete_all', 'ERR_FILTER_TOOL_CALL'],
  ] as const) {
    const upstreams = {
      resolve: () => route,
      dispatch(_route: unknown, _body: unknown, _options: unknown, handler: UpstreamHandler) {
        handler.start(200, {})
        handler.data(Buffer.from(JSON.stringify(calling(name))))
        handler.end()
        return { abort: () => undefined, release: () => undefined, pause: () => undefined, resume: () => undefined }
      },
    } as unknown as Upstreams
    const clock = { now: () => 0, monotonic: () => 0 } as never
    const surface = languageSurface({ upstreams, facts: () => ({}) as never, pseudonym: (subject) => subject, clock }, CHAT_COMPLETIONS)
    const body = encode({ model: 'm', messages: [{ role: 'user', content: 'x' }] })
    const call = surface.resolve({ body, parameters: [], header: () => undefined, now: 0 } as Partial<SurfaceAsk> as SurfaceAsk)
    expect(call.saidIn?.('messages[0].content')).toBe('messages[0]')
    call.admitTools?.({ tools: [['pay']] })
    const io = { requestId: 'r', subject: null, outputPlan: compilePlan({}), cancellation: { onCancel: () => undefined } }
    const served = await call.serve(io as unknown as ServeIo)
    if (served.kind !== 'whole') throw new Error('the answer is a stream')
    const render = (): unknown => served.render((text) => text)
    if (refused === null) expect(render()).toMatchObject({ status: 200 })
    else expect(render).toThrow(expect.objectContaining({ code: refused }))
    expect(new RedoubtError('ERR_FILTER_TOOL_CALL').status).toBe(400)
  }
})
