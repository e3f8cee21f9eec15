import { type EntityUid, RedoubtError } from '#foundation/core'

/** Who does something to people: a person, a program, or the server itself. */
export interface Acting extends EntityUid {
  /** The service account that acts for the person; left out or empty when they act themselves. */
  readonly onBehalfBy?: string
}

/** As whom the maker of a person or a link is remembered. Programs and people have names of their own kind. */
export const makerOf = ({ type, id }: EntityUid): string => `${type}::${id}`

/**
 * Whether a program does it, alone or in someone's name. The server itself is none: it makes the first administrator's link.
 * @param isBootstrap the account of the command line, which in development acts in place of people.
 */
export function isProgram(by: Acting, isBootstrap: (account: string) => boolean): boolean {
  if ((by.onBehalfBy ?? '') !== '') return true
  return by.type === 'ServiceAccount' && !isBootstrap(by.id)
}

/** Power comes from people: a stolen key of a program must not become an administrator. @throws {RedoubtError} `ERR_ACCESS_PROGRAM`. */
export function demandPerson(by: Acting, isBootstrap: (account: string) => boolean): void {
  if (isProgram(by, isBootstrap)) throw new RedoubtError('ERR_ACCESS_PROGRAM')
}
