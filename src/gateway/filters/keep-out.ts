import type { AuditEvent, AuditSink, FilterAction, JsonObject, PresetName } from '#foundation/core'
import { compilePlan, type FilterPlan } from './plan.ts'
import { presetEntities } from './presets.ts'
import { scanText } from './redactor.ts'

/** Our own digests: hex of exactly this length, made of no text that could be read. */
const DIGEST = /^[0-9a-f]{64}$/
/** Most levels of what an event holds; deeper ones are left out. */
const MAX_DEPTH = 32
const LEFT_OUT = '[left out]'

/**
 * A log into which values of these presets do not come, whoever writes them where: all that an event says in words, keys of objects and
 * numbers among it, and what is to be sealed, is searched before it is recorded. Ids of the house's own making are not.
 * @returns `sink` itself when nothing is to be kept out.
 */
export function keepingOut(sink: AuditSink, presets: readonly PresetName[]): AuditSink {
  if (presets.length === 0) return sink
  const entities = presets.flatMap((name) => [...presetEntities(name)])
  const plan = compilePlan(Object.fromEntries(entities.map((entity): [string, FilterAction] => [entity, 'mask'])))
  return { record: async (event) => sink.record(cleaned(event, plan)) }
}

function cleaned(event: AuditEvent, plan: FilterPlan): AuditEvent {
  const { actor, resource, purpose, details, personal } = event
  const text = (value: string): string => masked(value, plan)
  return {
    ...event,
    actor: { ...actor, id: text(actor.id) },
    resource: { ...resource, id: text(resource.id) },
    ...(purpose === undefined ? {} : { purpose: text(purpose) }),
    ...(details === undefined ? {} : { details: cleanedValue(details, plan, 0) as JsonObject }),
    // The name of the person is stored as a keyed pseudonym alone, and has to stay what it is to be found again.
    ...(personal === undefined
      ? {}
      : { personal: personal.map(({ subject, fields }) => ({ subject, fields: cleanedValue(fields, plan, 0) as JsonObject })) }),
  }
}

const masked = (text: string, plan: FilterPlan): string => (DIGEST.test(text) ? text : scanText(text, plan).text)

function cleanedValue(value: unknown, plan: FilterPlan, depth: number): unknown {
  if (typeof value === 'string') return masked(value, plan)
  if (typeof value === 'number') {
    const words = String(value)
    const out = masked(words, plan)
    return out === words ? value : out
  }
  if (typeof value !== 'object' || value === null) return value
  if (depth >= MAX_DEPTH) return LEFT_OUT
  if (Array.isArray(value)) return value.map((one: unknown) => cleanedValue(one, plan, depth + 1))
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [masked(name, plan), cleanedValue(one, plan, depth + 1)]))
}
