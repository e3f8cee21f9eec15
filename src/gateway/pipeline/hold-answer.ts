import { asRedoubtError, type JsonObject, type RedoubtError, type ReviewAsk } from '#foundation/core'
import { PROMPT_CANARY } from '#gateway/filters'
import type { House } from './house.ts'
import { bindingOf, throughOf } from './hold-input.ts'
import type { Inspection } from './inspection.ts'
import { keyedDigest } from './keyed-digest.ts'
import { refusalOfReview } from './review-refusals.ts'
import { reasonToKeep } from './serve.ts'
import type { Filtered, Refused, ServedState } from './states.ts'
import type { HeldStream, Rendered, StreamServed, WholeServed } from './surface.ts'

type Findings = ReadonlyMap<string, number>
/** Of what was asked, this much is shown beside the answer. */
const MAX_ASKED_UNITS = 65_536

/**
 * Keeps an answer for a person instead of sending it (D10). The caller is refused with the id of the review, at once or when nobody has decided
 * in the time that calls wait; an answer released by then leaves as usual, if the policies still let it.
 */
export async function holdWhole(
  house: House,
  state: ServedState,
  served: WholeServed,
  rendered: Rendered,
  { findings, actions, reviewed }: Inspection,
): Promise<Filtered | Refused> {
  try {
    const contentType = rendered.headers['content-type'] ?? 'application/json'
    const kind = reviewed.size > 0 ? 'output' : 'decision'
    const ticket = await house.reviews.ask(askOf(house, state, kind, findings, { answer: rendered.body, contentType, ...served.shown?.() }))
    const { cancellation } = state
    const decided = await house.reviews.decided(ticket.id, (left) => cancellation.onCancel(left))
    if (decided !== 'released') return { refused: refusalOfReview(decided, ticket.id), state }
    // It waited for a person: whatever was true when it was answered need not be now.
    const reason = reasonToKeep(house, state)
    if (reason !== null) return { refused: reason, state }
    const outputDigest = keyedDigest(house.digestKey, rendered.body)
    return { ...state, outputFindings: findings, outputActions: actions, rendered, outputDigest, failure: null }
  } catch (thrown) {
    // What cannot be kept for a person does not leave.
    return { refused: asRedoubtError(thrown), state }
  }
}

/** The same for a stream of which a part has left, or nothing; what was held back goes to the reviewer, and the client is told by the closing event. */
export async function holdStream(house: House, state: ServedState, served: StreamServed, held: HeldStream): Promise<Filtered | Refused> {
  const { reply, surface, requestId } = state.received
  let failure: RedoubtError
  try {
    const kind = state.decision.obligations.review === undefined ? 'output' : 'decision'
    const content = { answer: held.text, contentType: 'text/event-stream' }
    failure = refusalOfReview('waiting', (await house.reviews.ask(askOf(house, state, kind, held.findings, content))).id)
  } catch (thrown) {
    failure = asRedoubtError(thrown)
  }
  if (!reply.started) return { refused: failure, state }
  return {
    ...state,
    served: { ...served, closing: surface.renderStreamError(failure, requestId) },
    outputFindings: held.findings,
    outputActions: held.actions,
    outputDigest: keyedDigest(house.digestKey, served.outputDigest),
    failure,
    rendered: null,
  }
}

function askOf(house: House, state: ServedState, kind: ReviewAsk['kind'], findings: Findings, content: JsonObject): ReviewAsk {
  const { received, principal, call, subject, decision } = state
  return {
    kind,
    requestId: received.requestId,
    surface: received.surface.name,
    resource: { type: call.resource.type, id: call.resource.id },
    caller: { type: principal.facts.type, id: principal.facts.id },
    through: throughOf(principal),
    subject,
    findings: Object.fromEntries(findings),
    binding: bindingOf(house, state),
    content: {
      asked: askedTexts(state),
      purpose: principal.purpose,
      policies: decision.policies,
      filterOutput: decision.obligations.filterOutput,
      ...content,
    },
  }
}

/** What the model was asked, in words, as it went to the model but for the marker, which is told to nobody; the reviewer judges an answer by it. */
function askedTexts({ call, canary }: ServedState): readonly JsonObject[] {
  const texts: JsonObject[] = []
  let left = MAX_ASKED_UNITS
  // The request has gone to the model: what is shown of it is shown as it went, and nothing changes.
  call.rewriteTexts((text, place) => {
    const shown = canary === null ? text : text.replaceAll(canary, `[${PROMPT_CANARY}]`)
    if (left > 0) texts.push({ place, text: shown.slice(0, left).toWellFormed() })
    left -= text.length
    return text
  })
  return texts
}
