import type { Principal } from '#trust/identity'
import type { ControlPlane } from './control-plane.ts'

/**
 * A service account or a person as policies would see them if they asked now; for questions like `policy why`, not proof of anything.
 * @param name of the account, or id or login name of the person.
 * @param mfaLevel at which a person is supposed to have signed in just now, 0 to 3; the best that they can unless given.
 */
export function supposedCaller(
  { identity, clock }: Pick<ControlPlane, 'identity' | 'clock'>,
  name: string,
  mfaLevel?: number,
): Principal | null {
  const known = identity.serviceAccounts.principal(name) ?? identity.serviceAccounts.principal(identity.people.byLoginName(name)?.id ?? '')
  if (known?.facts.type !== 'User') return known
  const level = mfaLevel ?? known.mfaLevel
  const facts = { ...known.facts, attributes: { ...known.facts.attributes, mfaLevel: level } }
  return { ...known, facts, mfaLevel: level, authTime: clock.now() }
}
