/** A surface whose requests say themselves what the model does. */
import { type EntityFacts, type ErrorCode, type JsonObject, RedoubtError } from '#foundation/core'
import { createRedactor } from '#gateway/filters'
import type { Call, Rendered, ServeIo, Served, StreamServed, Surface, TextFilter } from './surface.ts'

/** What the body of a test request may ask the surface to do. */
export interface Wish {
  readonly text?: string
  readonly model?: string
  readonly subject?: string
  readonly rows?: number
  readonly tokens?: number
  /** The model answers with this text. */
  readonly answer?: string
  /** The model answers with what it was asked. */
  readonly echo?: boolean
  readonly stream?: boolean
  /** The model runs until it is cancelled. */
  readonly hang?: boolean
  readonly fail?: ErrorCode
  /** The body names a model and is otherwise not understood. */
  readonly fault?: ErrorCode
}

export const MAX_BODY_BYTES = 1_000_000
export const PURPOSE = 'credit-scoring'
export const USED_TOKENS = 7

const MODEL: EntityFacts = {
  type: 'Model',
  id: 'credit',
  attributes: { sensitivity: 3, purposes: [PURPOSE], signed: true, quarantined: false, foreign: false },
  parents: [],
}
const endpoint = (id: string): EntityFacts => ({
  type: 'Endpoint',
  id,
  attributes: { sensitivity: 1, purposes: [], sandbox: true, upstream: 'inside', vendor: '', region: '', agreement: false },
  parents: [],
})

interface SurfaceParts {
  readonly trace: string[]
  readonly asked: string[]
  readonly unservable: () => RedoubtError | null
}

export function wishSurface({ trace, asked, unservable }: SurfaceParts): Surface {
  return {
    name: 'test',
    maxBodyBytes: MAX_BODY_BYTES,
    resolve({ body }) {
      trace.push('resolved')
      let wish: Wish
      try {
        wish = JSON.parse(Buffer.from(body).toString('utf8')) as Wish
      } catch {
        throw new RedoubtError('ERR_INPUT_MALFORMED')
      }
      if (wish.model === 'absent') throw new RedoubtError('ERR_MODEL_UNKNOWN')
      return wishCall(wish)
    },
    renderError: (error, requestId) => rendered(error.status, { error: error.code, requestId }),
    renderStreamError: (error) => `event: error ${error.code}\n`,
  }

  function wishCall(wish: Wish): Call {
    let text = wish.text ?? 'hello'
    const resource = wish.model === 'credit' ? MODEL : endpoint(wish.model ?? 'assistant')
    return {
      resource,
      endpoint: `${resource.type}/${resource.id}`,
      subject: wish.subject ?? null,
      cost: { ...(wish.rows === undefined ? {} : { rows: wish.rows }), ...(wish.tokens === undefined ? {} : { tokens: wish.tokens }) },
      details: { model: resource.id },
      ...(wish.fault === undefined ? {} : { fault: new RedoubtError(wish.fault) }),
      rewriteTexts(filter: TextFilter) {
        trace.push('input filtered')
        text = filter(text, 'text')
      },
      stillServable: unservable,
      async serve(io) {
        trace.push('served')
        asked.push(text)
        const answer = wish.echo === true ? text : (wish.answer ?? 'fine')
        if (wish.fail !== undefined) throw new RedoubtError(wish.fail)
        return wish.stream === true ? wishStream(wish, answer, io) : wishWhole(wish, answer, io)
      },
    }
  }

  async function wishWhole(wish: Wish, answer: string, io: ServeIo): Promise<Served> {
    if (wish.hang === true) await new Promise<never>((_resolve, reject) => io.cancellation.onCancel(reject))
    return {
      kind: 'whole',
      usage: usageOf(wish),
      bytes: answer.length,
      visitTexts: (look) => void look(answer, 'answer'),
      render(filter) {
        trace.push('output filtered')
        return rendered(200, { answer: filter(answer, 'answer') })
      },
      ...(wish.subject === undefined ? {} : { personal: { answer } }),
    }
  }

  async function wishStream(wish: Wish, answer: string, io: ServeIo): Promise<StreamServed> {
    io.out.start({})
    const redactor = createRedactor(io.outputPlan)
    for (let at = 0; at < answer.length; at += 5) io.out.write(redactor.push(answer.slice(at, at + 5)))
    io.out.write(redactor.flush())
    const failure =
      wish.hang === true ? await new Promise<RedoubtError>((resolve) => io.cancellation.onCancel(resolve)) : io.cancellation.reason
    return {
      kind: 'stream',
      closing: failure ? `event: error ${failure.code}\n` : 'event: done\n',
      usage: usageOf(wish),
      outputDigest: 'ab'.repeat(32),
      findings: redactor.findings,
      actions: redactor.actions,
      blocked: false,
      failure,
    }
  }
}

const usageOf = (wish: Wish): { tokens: number; rows?: number } => ({
  tokens: USED_TOKENS,
  ...(wish.rows === undefined ? {} : { rows: wish.rows }),
})

const rendered = (status: number, body: JsonObject): Rendered => ({
  status,
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(body),
})
