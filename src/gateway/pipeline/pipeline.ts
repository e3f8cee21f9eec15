import { asRedoubtError } from '#foundation/core'
import { answer } from './answer.ts'
import { authenticate } from './authenticate.ts'
import { decide } from './decide.ts'
import { filterOutput } from './filter-output.ts'
import type { House } from './house.ts'
import { inspectInput } from './inspect-input.ts'
import { recordAdmission } from './record-admission.ts'
import { recordCompletion } from './record-completion.ts'
import { refuse } from './refuse.ts'
import { resolve } from './resolve.ts'
import { serve } from './serve.ts'
import { isRefused, type Received, type Refused } from './states.ts'
import { takeLimits } from './take-limits.ts'

/**
 * One inference, whatever the surface. Each step takes one state and gives the next, or a refusal that ends it:
 * who asks → for what → may they → within limits → with which values → on record → answered → filtered → on record → out.
 * Never rejects: whatever goes wrong is a refusal.
 */
export async function infer(house: House, received: Received): Promise<void> {
  const authenticated = step(authenticate, house, received)
  if (isRefused(authenticated)) return refuse(house, authenticated)

  const resolved = await stepLater(resolve, house, authenticated)
  if (isRefused(resolved)) return refuse(house, resolved)

  const authorised = step(decide, house, resolved)
  if (isRefused(authorised)) return refuse(house, authorised)

  const limited = step(takeLimits, house, authorised)
  if (isRefused(limited)) return refuse(house, limited)

  const inspecting = step(inspectInput, house, limited)
  const inspected = inspecting instanceof Promise ? await ended(inspecting, limited) : inspecting
  if (isRefused(inspected)) return refuse(house, inspected)

  const admitted = await stepLater(recordAdmission, house, inspected)
  if (isRefused(admitted)) return refuse(house, admitted)

  const served = await stepLater(serve, house, admitted)
  if (isRefused(served)) return refuse(house, served)

  const filtering = step(filterOutput, house, served)
  const filtered = filtering instanceof Promise ? await ended(filtering, served) : filtering
  if (isRefused(filtered)) return refuse(house, filtered)

  const recorded = await stepLater(recordCompletion, house, filtered)
  if (isRefused(recorded)) return refuse(house, recorded)

  return answer(recorded)
}

/**
 * A step that throws has not said yes: the request is refused in the state it had reached. Only steps that wait for bytes, the
 * model or the disk are awaited; the others cost no turn of the event loop.
 */
function step<S extends Refused['state'], N>(take: (house: House, state: S) => N, house: House, state: S): N | Refused {
  try {
    return take(house, state)
  } catch (thrown) {
    return { refused: asRedoubtError(thrown), state }
  }
}

async function stepLater<S extends Refused['state'], N>(
  take: (house: House, state: S) => Promise<N>,
  house: House,
  state: S,
): Promise<N | Refused> {
  try {
    return await take(house, state)
  } catch (thrown) {
    return { refused: asRedoubtError(thrown), state }
  }
}

/** The end of a step that is mostly done at once. */
async function ended<N>(work: Promise<N>, state: Refused['state']): Promise<N | Refused> {
  try {
    return await work
  } catch (thrown) {
    return { refused: asRedoubtError(thrown), state }
  }
}
