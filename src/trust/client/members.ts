import type { JsonValue } from '#foundation/core'

/** The members of an object that has these and no others; null for anything else. */
export function membersOf<Name extends string>(
  value: JsonValue | undefined,
  names: readonly Name[],
): Readonly<Record<Name, JsonValue>> | null {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return null
  const given = Object.keys(value)
  if (given.length !== names.length || !names.every((name) => Object.hasOwn(value, name))) return null
  return value as Readonly<Record<Name, JsonValue>>
}
