import type { KeyBinding } from '#foundation/crypto'

export const PSEUDONYM_SECRET = 'subject-pseudonym'
export const SEARCH_SECRET = 'audit-search'
/** Keys of the house's own in the key database, under the configuration class. */
export const SECRETS = [PSEUDONYM_SECRET, SEARCH_SECRET] as const

export function bindingOfSecret(name: string): KeyBinding {
  return { tenant: 'default', resource: `secret/${name}`, purpose: 'configuration' }
}
