/** One call over a surface of language models, through the steps that look at its texts, without a server: what reaches the upstream, and what the caller gets. */
import { type Obligations, RedoubtError } from '#foundation/core'
import { PLAIN_SITE, plannerFor } from '#gateway/filters'
import type { SurfaceAsk } from '#gateway/pipeline'
import type { UpstreamHandler, UpstreamRoute, Upstreams } from '#gateway/serving'
import { filterOutput } from '../../src/gateway/pipeline/filter-output.ts'
import type { House } from '../../src/gateway/pipeline/house.ts'
import { inspectInput } from '../../src/gateway/pipeline/inspect-input.ts'
import { isRefused, type Limited, type ServedState } from '../../src/gateway/pipeline/states.ts'
import { CHAT_COMPLETIONS } from '../../src/gateway/routes/chat-completions/protocol.ts'
import { COMPLETIONS } from '../../src/gateway/routes/completions/protocol.ts'
import { EMBEDDINGS } from '../../src/gateway/routes/embeddings/protocol.ts'
import type { LanguageProtocol } from '../../src/gateway/routes/language-protocol.ts'
import { languageSurface } from '../../src/gateway/routes/language-surface.ts'
import { MESSAGES } from '../../src/gateway/routes/messages/protocol.ts'
import { RESPONSES } from '../../src/gateway/routes/responses/protocol.ts'

// oxlint-disable-next-line typescript/no-explicit-any -- each has requests of its own
export const SURFACES: Readonly<Record<string, LanguageProtocol<any>>> = {
  'chat completions': CHAT_COMPLETIONS,
  completions: COMPLETIONS,
  embeddings: EMBEDDINGS,
  messages: MESSAGES,
  responses: RESPONSES,
}

export interface Passed {
  /** The body that the upstream was sent; null when it was not asked. */
  readonly sent: string | null
  /** The body that the caller gets, or all events of a stream; null when it is refused. */
  readonly got: string | null
  /** What is told to the record of what was found in the answer. */
  readonly findings: Readonly<Record<string, number>>
  readonly refused: { readonly code: string; readonly evidence: Readonly<Record<string, unknown>> } | null
}

/** @param answer what the upstream answers, the events of a stream as a text. @param obligations of the decision; every value is masked unless they say otherwise. */
export async function pass(
  surface: string,
  body: object,
  answer: object | string,
  obligations: Partial<Obligations> = {},
): Promise<Passed> {
  let sent: string | null = null
  let written = ''
  const protocol = SURFACES[surface]!
  const upstreams = {
    resolve: (model: string) =>
      ({
        model,
        upstream: 'u',
        upstreamModel: 'real',
        api: protocol.api,
        retries: 0,
        agreedUntil: null,
        fallbacks: [],
      }) as unknown as UpstreamRoute,
    dispatch(_route: unknown, written: unknown, _options: unknown, handler: UpstreamHandler) {
      sent = String(written)
      handler.start(200, {})
      handler.data(Buffer.from(typeof answer === 'string' ? answer : JSON.stringify(answer)))
      handler.end()
      return { abort: () => undefined, release: () => undefined, pause: () => undefined, resume: () => undefined }
    },
  } as unknown as Upstreams
  const clock = { now: () => 0, monotonic: () => 0 } as never
  const made = languageSurface({ upstreams, facts: () => ({}) as never, pseudonym: (subject) => subject, clock }, protocol)
  const refusedBy = (error: RedoubtError): Passed => ({
    sent,
    got: null,
    findings: {},
    refused: { code: error.code, evidence: error.evidence },
  })
  try {
    const bytes = Buffer.from(JSON.stringify({ model: 'm', ...body }))
    const call = made.resolve({ body: bytes, parameters: [], header: () => undefined, now: 0 } as Partial<SurfaceAsk> as SurfaceAsk)
    const decision = { obligations: { filterInput: { default: 'mask' }, filterOutput: { default: 'mask' }, ...obligations } }
    const house = { plan: plannerFor(PLAIN_SITE), digestKey: new Uint8Array(32), hashKey: new Uint8Array(32) } as unknown as House
    const inspected = await inspectInput(house, { decision, call, inputBytes: bytes.length } as unknown as Limited)
    if (isRefused(inspected)) return refusedBy(inspected.refused)
    const served = await call.serve({
      requestId: 'r', subject: null, outputPlan: inspected.filters.output, holdAll: false, admitElsewhere: () => Promise.resolve(null), cancellation: { onCancel: () => undefined },
      out: { start: () => undefined, write: (text: string) => ((written += text), true), onDrain: () => undefined },
    } as unknown as Parameters<typeof call.serve>[0]) // prettier-ignore
    const received = { reply: { started: true } }
    const done = await filterOutput(house, { ...inspected, received, served } as unknown as ServedState)
    if (isRefused(done)) return refusedBy(done.refused)
    const got = served.kind === 'stream' ? written + served.closing : done.rendered!.body
    return { sent, got, findings: Object.fromEntries(done.outputFindings), refused: null }
  } catch (thrown) {
    if (thrown instanceof RedoubtError) return refusedBy(thrown)
    throw thrown
  }
}
