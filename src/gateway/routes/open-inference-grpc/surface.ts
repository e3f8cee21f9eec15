import { Metadata } from '@grpc/grpc-js'
import type { Registry } from '#assets/registry'
import { RedoubtError } from '#foundation/core'
import { challengeOf, type Rendered, type Surface } from '#gateway/pipeline'
import type { ModelServer } from '#gateway/serving'
import { type InferRequest, readInferRequest } from '../open-inference.ts'
import { renderInferResponse } from '../open-inference-answers.ts'
import { inferCall, MAX_BODY_BYTES, MAX_ROWS, servedModel } from '../open-inference-surface.ts'
import { demandFewEntries } from './entries.ts'
import { requestDocument, responseMessage } from './infer-message.ts'
import { grpcStatus, statusDetails } from './status.ts'
import type { ModelInferRequest, ModelInferResponse } from './wire.ts'

/** As the record names it. */
export const GRPC_SURFACE = 'open-inference.grpc'

export interface InferSurface {
  readonly surface: Surface
  /** The answer of the one call that this was made for. */
  message(): ModelInferResponse
}

/**
 * `ModelInfer` as a surface, for one call: the message is read, judged and answered as its REST twin would be. The record holds the digest of the
 * message that came and of the answer's JSON form, so that the same answer has the same digest on both.
 */
export function inferSurface(
  { models, registry }: { readonly models: ModelServer; readonly registry: Registry },
  decode: (bytes: Buffer) => ModelInferRequest,
): InferSurface {
  let answer: ModelInferResponse | null = null
  const surface: Surface = {
    name: GRPC_SURFACE,
    maxBodyBytes: MAX_BODY_BYTES,
    contentType: /^application\/grpc/,
    resolve({ body }) {
      demandFewEntries(body)
      const message = decoded(decode, body)
      const { model_name: name, model_version: version } = message
      const model = servedModel(models, registry, name, version === '' ? undefined : version)
      const read = (): InferRequest =>
        readInferRequest(requestDocument(message), model, { maxBodyBytes: MAX_BODY_BYTES, maxRows: MAX_ROWS })
      return inferCall({ models, registry, model, read }, (response): Rendered => {
        answer = responseMessage({ ...response, raw: message.raw_input_contents.length > 0 })
        return { status: 200, headers: {}, body: renderInferResponse(response) }
      })
    },
    renderError: (error, requestId) => ({ status: error.status, headers: errorHeaders(error, requestId), body: statusDetails(error) }),
    renderStreamError: statusDetails,
  }
  return {
    surface,
    message() {
      if (answer === null) throw new RedoubtError('ERR_INTERNAL', 'there is no answer')
      return answer
    },
  }
}

const errorHeaders = (error: RedoubtError, requestId: string): Record<string, string> => ({
  'x-request-id': requestId,
  'redoubt-code': error.code,
  ...(error.status === 401 ? { 'www-authenticate': challengeOf(error) } : {}),
})

/** A refusal as a status: code, sentence, and what there is to say beside it as trailers. */
export function statusOf(error: RedoubtError, requestId: string): { code: number; details: string; metadata: Metadata } {
  const metadata = new Metadata()
  for (const [name, value] of Object.entries(errorHeaders(error, requestId))) metadata.set(name, value)
  return { code: grpcStatus(error.status), details: statusDetails(error), metadata }
}

function decoded(decode: (bytes: Buffer) => ModelInferRequest, body: Uint8Array): ModelInferRequest {
  try {
    return decode(Buffer.from(body.buffer, body.byteOffset, body.byteLength))
  } catch {
    // The decoder's message may quote what was sent.
    throw new RedoubtError('ERR_INPUT_MALFORMED', 'the message is not a ModelInferRequest')
  }
}
