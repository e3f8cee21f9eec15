import { asRedoubtError, RedoubtError } from '#foundation/core'
import type { House } from './house.ts'
import { keyedDigest } from './keyed-digest.ts'
import type { Authenticated, Refused, Resolved } from './states.ts'

const MAX_SUBJECT_CHARACTERS = 512
const none = (): undefined => undefined
const JSON_CONTENT_TYPE = /^application\/json(;|$)/i

/** What is asked, of which model: the body within bounds, understood by its surface, against something that exists. */
export async function resolve(house: House, state: Authenticated): Promise<Resolved | Refused> {
  const { received, principal } = state
  const { surface } = received
  try {
    if (received.contentType === undefined || !(surface.contentType ?? JSON_CONTENT_TYPE).test(received.contentType))
      throw new RedoubtError('ERR_INPUT_CONTENT_TYPE')
    const body = await received.body(surface.maxBodyBytes)
    const call = surface.resolve({
      body,
      parameters: received.parameters,
      principal,
      header: received.header ?? none,
      now: received.receivedAt,
    })
    return {
      ...state,
      call,
      subject: subjectOf(call.subject, received.subjectHeader),
      inputBytes: body.byteLength,
      inputDigest: keyedDigest(house.digestKey, body),
    }
  } catch (thrown) {
    return { refused: asRedoubtError(thrown), state }
  }
}

function subjectOf(fromBody: string | null, fromHeader: string | undefined): string | null {
  if (fromBody !== null && fromHeader !== undefined && fromBody !== fromHeader)
    throw new RedoubtError('ERR_INPUT_INVALID', 'the body and the header `redoubt-subject` name different subjects')
  const subject = fromBody ?? fromHeader ?? null
  if (subject !== null && (subject.length === 0 || subject.length > MAX_SUBJECT_CHARACTERS || !subject.isWellFormed()))
    throw new RedoubtError('ERR_INPUT_INVALID', `a subject has 1 to ${MAX_SUBJECT_CHARACTERS} characters`)
  return subject
}
