import { type FactValue, LEGAL_BASES, MFA_NEVER, RedoubtError, SENSITIVITIES } from '#foundation/core'

/** All values that an attribute can have, or how they are to be found from what the policies compare it with. */
export type Domain =
  | { readonly kind: 'finite'; readonly values: readonly FactValue[] }
  | { readonly kind: 'text' | 'texts' | 'address' | 'instant' }
  /** Integers too many to enumerate, which policies compare with constants: below, at and above each is then all there is. */
  | { readonly kind: 'number'; readonly min: number; readonly max: number }
/** `optional`: the attribute may be absent. */
export interface Attribute {
  readonly domain: Domain
  readonly optional: boolean
}

/** Beyond these the subsets alone would exceed any bound. */
const MAX_ELEMENTS = 16

const range = (last: number): Domain => ({ kind: 'finite', values: Array.from({ length: last + 1 }, (_, value) => value) })
const finite = (values: readonly FactValue[]): Domain => ({ kind: 'finite', values })
const flag = finite([false, true])
const always = (domain: Domain): Attribute => ({ domain, optional: false })
const sometimes = (domain: Domain): Attribute => ({ domain, optional: true })
const legalBasis = always(finite(LEGAL_BASES))

/**
 * Every attribute of the schema with what it can hold. A number of few values (hours, levels, per cent) is enumerated whole,
 * so that any arithmetic over it is covered; of others the boundaries are found from what they are compared with. A test asks that no attribute is missing.
 */
export const ATTRIBUTES: ReadonlyMap<string, Attribute> = new Map([
  ['context.now', always({ kind: 'instant' })],
  ['context.hour', always(range(23))],
  ['context.weekday', always(range(6))],
  ['context.purpose', always({ kind: 'text' })],
  ['context.legalBasis', legalBasis],
  ['context.sourceAddress', always({ kind: 'address' })],
  ['context.profile', always(finite(['production', 'development']))],
  ['context.mfaLevel', always(range(3))],
  ['context.risk', always(range(100))],
  ['context.workingHours', always(flag)],
  ['context.network', always({ kind: 'text' })],
  ['context.country', always({ kind: 'text' })],
  ['context.firstSeenNetwork', always(flag)],
  ['context.firstSeenDevice', always(flag)],
  ['context.mfaAge', always({ kind: 'number', min: 0, max: MFA_NEVER })],
  ['context.tokenBinding', always(finite(['none', 'dpop', 'mtls']))],
  ['context.onBehalfBy', always({ kind: 'text' })],
  ['context.approvals', always({ kind: 'number', min: 0, max: Number.MAX_SAFE_INTEGER })],
  ['context.breakGlass', always(flag)],
  ['principal.purpose', always({ kind: 'text' })],
  ['principal.legalBasis', legalBasis],
  ['principal.mfaLevel', sometimes(range(3))],
  ['principal.name', sometimes({ kind: 'text' })],
  ['resource.sensitivity', always(range(SENSITIVITIES.length - 1))],
  ['resource.purposes', always({ kind: 'texts' })],
  ['resource.legalBases', always(finite(subsets(LEGAL_BASES)))],
  ['resource.collector', sometimes(flag)],
  ['resource.signed', always(flag)],
  ['resource.quarantined', always(flag)],
  ['resource.foreign', always(flag)],
  ['resource.sandbox', always(flag)],
  ['resource.author', always({ kind: 'text' })],
  ['resource.builtIn', always(flag)],
  ['resource.upstream', always({ kind: 'text' })],
  ['resource.vendor', always({ kind: 'text' })],
  ['resource.region', always({ kind: 'text' })],
  ['resource.agreement', always(flag)],
])

/** All subsets, those of few elements first: a counterexample then names no more than it needs. */
export function subsets<T>(elements: readonly T[]): readonly (readonly T[])[] {
  if (elements.length > MAX_ELEMENTS)
    throw new RedoubtError('ERR_POLICY_ENUMERATION', `there are more than ${MAX_ELEMENTS} elements to make sets of`)
  const all = Array.from({ length: 2 ** elements.length }, (_, bits) => elements.filter((_element, place) => (bits >> place) & 1))
  return all.sort((left, right) => left.length - right.length)
}
