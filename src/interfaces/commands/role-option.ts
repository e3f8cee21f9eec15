import { InvalidArgumentError, Option } from 'commander'
import { ROLES } from '#foundation/core'

const GIVEN: readonly string[] = ROLES.filter((role) => role !== 'bootstrap')

/** A role, which may be repeated. The parser comes after the choices, whose own would keep the last role alone. */
export const roleOption = (flags = '--role <role>', description = 'role, may be repeated'): Option =>
  new Option(flags, description).choices(GIVEN).argParser((value: string, before: readonly string[] | undefined) => {
    if (!GIVEN.includes(value)) throw new InvalidArgumentError(`Allowed choices are ${GIVEN.join(', ')}.`)
    return [...(before ?? []), value]
  })
