import { createRequire } from 'node:module'
import type { Handle, PKCS11 } from 'pkcs11js'

/** What is used of `pkcs11js`. */
export type Cryptoki = Pick<
  PKCS11,
  | 'load'
  | 'C_Initialize'
  | 'C_GetSlotList'
  | 'C_GetTokenInfo'
  | 'C_GetMechanismList'
  | 'C_OpenSession'
  | 'C_CloseSession'
  | 'C_Login'
  | 'C_FindObjectsInit'
  | 'C_FindObjectsFinal'
  | 'C_GetAttributeValue'
  | 'C_DestroyObject'
  | 'C_WrapKey'
  | 'C_EncryptInit'
  | 'C_EncryptAsync'
  | 'C_DecryptInit'
  | 'C_DecryptAsync'
  | 'C_SignInit'
  | 'C_SignAsync'
  | 'C_GenerateKeyAsync'
  | 'C_GenerateKeyPairAsync'
> & { C_FindObjects(session: Handle, maxObjectCount: number): Handle[] }
export type { Handle }

/** Numbers of PKCS#11 3.0 (pkcs11t.h) and one of `pkcs11js`: it knows none of Edwards curves, and it is not there in a test. */
export const CK = {
  PARAMS_AES_GCM: 3,
  F_OS_LOCKING_OK: 0x02,
  F_RW_SESSION: 0x02,
  F_SERIAL_SESSION: 0x04,
  U_USER: 1,
  O_PUBLIC_KEY: 2,
  O_PRIVATE_KEY: 3,
  O_SECRET_KEY: 4,
  K_AES: 0x1f,
  M_AES_KEY_GEN: 0x1080,
  M_AES_GCM: 0x1087,
  M_AES_KEY_WRAP_PAD: 0x210a,
  M_EC_KEY_PAIR_GEN: 0x1040,
  M_ECDSA: 0x1041,
  M_EC_EDWARDS_KEY_PAIR_GEN: 0x1055,
  M_EDDSA: 0x1057,
  A_CLASS: 0x000,
  A_TOKEN: 0x001,
  A_PRIVATE: 0x002,
  A_LABEL: 0x003,
  A_VALUE: 0x011,
  A_KEY_TYPE: 0x100,
  A_ID: 0x102,
  A_SENSITIVE: 0x103,
  A_ENCRYPT: 0x104,
  A_DECRYPT: 0x105,
  A_WRAP: 0x106,
  A_UNWRAP: 0x107,
  A_SIGN: 0x108,
  A_VERIFY: 0x10a,
  A_VALUE_LEN: 0x161,
  A_EXTRACTABLE: 0x162,
  A_LOCAL: 0x163,
  A_NEVER_EXTRACTABLE: 0x164,
  A_ALWAYS_SENSITIVE: 0x165,
  A_EC_PARAMS: 0x180,
  A_EC_POINT: 0x181,
} as const

/** Loads the package, which needs its native part. @throws {Error} with code `MODULE_NOT_FOUND` when either is missing. */
export function loadCryptoki(): Cryptoki {
  const require = createRequire(import.meta.url)
  const { PKCS11: Library } = require('pkcs11js') as { PKCS11: new () => Cryptoki }
  return new Library()
}
