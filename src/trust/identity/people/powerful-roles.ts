import type { Role } from '#foundation/core'
import type { MfaLevel } from './people.ts'

/** Who holds one of these can change what everyone else may do or see: they sign in with passkeys only (B3). */
export const POWERFUL_ROLES: readonly Role[] = ['administrator', 'security-officer', 'privacy-officer', 'deployer']

export const isPowerful = (roles: readonly Role[]): boolean => roles.some((role) => POWERFUL_ROLES.includes(role))

export interface KeyProperties {
  readonly aaguid: string
  /** Backup eligible: the private key may be copied to other devices (Web Authentication Level 3 §6.1.3). */
  readonly backupEligible: boolean
  /** Attestation format: `none` says that nobody stands for the AAGUID, not even the key itself. */
  readonly attestation: string
}

/** The configured models of authenticators, by AAGUID in lower case; empty when none is named. */
export type KeyModels = ReadonlySet<string>

/** Why a key may not serve a person of these roles; null when it may. */
export function refusalOfKey(
  key: KeyProperties,
  powerful: boolean,
  models: KeyModels,
): 'ERR_WEBAUTHN_SYNCED' | 'ERR_WEBAUTHN_AUTHENTICATOR' | null {
  if (!powerful || models.size === 0) return null
  if (key.backupEligible) return 'ERR_WEBAUTHN_SYNCED'
  return listed(key, models) ? null : 'ERR_WEBAUTHN_AUTHENTICATOR'
}

/** A verified passkey is two factors; a third level for one that cannot leave its hardware, as far as that is known. */
export function levelOfKey(key: KeyProperties, models: KeyModels): MfaLevel {
  return key.backupEligible || (models.size > 0 && !listed(key, models)) ? 2 : 3
}

const listed = (key: KeyProperties, models: KeyModels): boolean => key.attestation !== 'none' && models.has(key.aaguid)
