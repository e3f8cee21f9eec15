import { type JsonObject, type JsonValue, RedoubtError } from '#foundation/core'
import type { Override } from './review.ts'

/**
 * What the caller reads when a person decided otherwise. A text stands for the whole answer; values stand in the place of the named outputs
 * of a prediction (`outputs: [{ name, data }]`, as the Open Inference Protocol writes them), the others being left out: they are of the decision that was not taken.
 * @param body the answer that was held.
 * @throws {RedoubtError} `ERR_INPUT_INVALID` when the override does not fit what was held.
 */
export function overriddenAnswer(override: Override, body: JsonValue): JsonObject {
  if ('text' in override) return { text: override.text }
  const held = outputsOf(body)
  if (held === null) throw new RedoubtError('ERR_INPUT_INVALID', 'what is held is no prediction: give a text in its place')
  const names = Object.keys(override.outputs)
  if (names.length === 0) throw new RedoubtError('ERR_INPUT_INVALID', 'name an output')
  return {
    outputs: names.map((name) => {
      const output = held.find((one) => one['name'] === name)
      if (output === undefined)
        throw new RedoubtError('ERR_INPUT_INVALID', `the prediction has no output of this name; it has ${known(held)}`)
      const { data: before } = output
      const data = Array.isArray(before) ? valuesLike(override.outputs[name] ?? [], before as readonly JsonValue[]) : null
      if (data === null)
        throw new RedoubtError('ERR_INPUT_INVALID', 'an override has as many values, of the same type, as the output that it stands for')
      return { ...output, data }
    }),
  }
}

/** Null when they do not fit. A record holds all values as text. */
function valuesLike(values: readonly JsonValue[], before: readonly JsonValue[]): readonly JsonValue[] | null {
  if (values.length !== before.length) return null
  const like = values.map((value, i) => (typeof before[i] === 'string' && typeof value === 'number' ? String(value) : value))
  return like.every((value, i) => typeof value === typeof before[i]) ? like : null
}

function outputsOf(body: JsonValue): readonly JsonObject[] | null {
  const outputs = isObject(body) ? body['outputs'] : null
  return Array.isArray(outputs) && outputs.every(isObject) ? outputs : null
}

const known = (held: readonly JsonObject[]): string =>
  held.map(({ name }) => (typeof name === 'string' ? `\`${name.slice(0, 64)}\`` : '?')).join(', ')
const isObject = (value: JsonValue | undefined): value is JsonObject => typeof value === 'object' && value !== null && !Array.isArray(value)
