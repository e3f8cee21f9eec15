import type { Role } from '#foundation/core'
import type { MfaLevel } from './people.ts'

/** Who holds one of these can change what everyone else may do or see: they sign in with passkeys only (B3). */
export const POWERFUL_ROLES: readonly Role[] = ['administrator', 'security-officer', 'privacy-officer', 'deployer']

export const isPowerful = (roles: readonly Role[]): boolean => roles.some((role) => POWERFUL_ROLES.includes(role))

export interface KeyProperties {
  readonly aaguid: string
  /** Backup eligible: the private key may be copied to other devices (Web Authentication Level 3 §6.1.3). */
  readonly backupEligible: boolean
  /** Attestation format where a certificate of a maker vouched for it; else `none`: nobody but the key itself stands for the AAGUID. */
  readonly attestation: string
}

/** The configured models of authenticators. */
export interface KeyModels {
  /** AAGUIDs in lower case; empty when none is named. */
  readonly aaguids: ReadonlySet<string>
  /** Whether certificates of makers are configured: then no key's own word is taken for its model. */
  readonly vouched: boolean
}

/** Why a key may not serve a person of these roles; null when it may. */
export function refusalOfKey(
  key: KeyProperties,
  powerful: boolean,
  models: KeyModels,
): 'ERR_WEBAUTHN_SYNCED' | 'ERR_WEBAUTHN_AUTHENTICATOR' | null {
  if (!powerful || models.aaguids.size === 0) return null
  if (key.backupEligible) return 'ERR_WEBAUTHN_SYNCED'
  return listed(key, models) ? null : 'ERR_WEBAUTHN_AUTHENTICATOR'
}

/**
 * A verified passkey is two factors; a third level for one that cannot leave its hardware, as far as that is known. Where models are
 * named it is known of those alone for which a maker vouched: anyone can write an AAGUID into a key made of software.
 */
export function levelOfKey(key: KeyProperties, models: KeyModels): MfaLevel {
  if (key.backupEligible) return 2
  return models.aaguids.size === 0 || (vouched(key) && listed(key, models)) ? 3 : 2
}

const listed = (key: KeyProperties, models: KeyModels): boolean => models.aaguids.has(key.aaguid) && (!models.vouched || vouched(key))
const vouched = (key: KeyProperties): boolean => key.attestation !== 'none'
