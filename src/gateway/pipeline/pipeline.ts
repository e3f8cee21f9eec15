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
import { isRefused, type Received, type Recorded, type Refused } from './states.ts'
import { takeLimits } from './take-limits.ts'

/**
 * One inference, whatever the surface. Each step takes one state and gives the next, or a refusal that ends it:
 * who asks → for what → may they → within limits → with which values → on record → answered → filtered → on record → out.
 * A step that throws has not said yes: the request is refused in the state it had reached. Only steps that wait for bytes, the
 * model or the disk are awaited; the others cost no turn of the event loop. Never rejects: whatever goes wrong is a refusal.
 */
export async function infer(house: House, received: Received): Promise<void> {
  let reached: Refused['state'] = received
  let recorded: Recorded | Refused
  try {
    const authenticated = authenticate(house, received)
    if (isRefused(authenticated)) return refuse(house, authenticated)

    reached = authenticated
    const resolved = await resolve(house, authenticated)
    if (isRefused(resolved)) return refuse(house, resolved)

    reached = resolved
    const authorised = decide(house, resolved)
    if (isRefused(authorised)) return refuse(house, authorised)

    reached = authorised
    const limited = takeLimits(house, authorised)
    if (isRefused(limited)) return refuse(house, limited)

    reached = limited
    const inspecting = inspectInput(house, limited)
    const inspected = inspecting instanceof Promise ? await inspecting : inspecting
    if (isRefused(inspected)) return refuse(house, inspected)

    reached = inspected
    const admitted = await recordAdmission(house, inspected)
    if (isRefused(admitted)) return refuse(house, admitted)

    reached = admitted
    const served = await serve(house, admitted)
    if (isRefused(served)) return refuse(house, served)

    reached = served
    const filtering = filterOutput(house, served)
    const filtered = filtering instanceof Promise ? await filtering : filtering
    if (isRefused(filtered)) return refuse(house, filtered)

    reached = filtered
    recorded = await recordCompletion(house, filtered)
  } catch (thrown) {
    recorded = { refused: asRedoubtError(thrown), state: reached }
  }
  return isRefused(recorded) ? refuse(house, recorded) : answer(recorded)
}
