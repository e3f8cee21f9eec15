import { CK, type Cryptoki, type Handle } from './cryptoki.ts'
import { ANSWER } from './messages.ts'
import { TokenFailure } from './token-failure.ts'

const AES_KEY_BYTES = 32
const WRAPPED_BYTES = 512
/** What a key must say of itself: made in this token, never seen outside, not to be seen. */
const KEPT: readonly (readonly [name: string, attribute: number, value: number])[] = [
  ['CKA_TOKEN', CK.A_TOKEN, 1],
  ['CKA_SENSITIVE', CK.A_SENSITIVE, 1],
  ['CKA_ALWAYS_SENSITIVE', CK.A_ALWAYS_SENSITIVE, 1],
  ['CKA_EXTRACTABLE', CK.A_EXTRACTABLE, 0],
  ['CKA_NEVER_EXTRACTABLE', CK.A_NEVER_EXTRACTABLE, 1],
  ['CKA_LOCAL', CK.A_LOCAL, 1],
]
const AES_256: typeof KEPT = [
  ['CKA_KEY_TYPE', CK.A_KEY_TYPE, CK.K_AES],
  ['CKA_VALUE_LEN', CK.A_VALUE_LEN, AES_KEY_BYTES],
]

/** @throws {TokenFailure} `keyUnfit` when the key says that it can leave the token or has come from outside, or can be read. */
export function assertKept(cryptoki: Cryptoki, session: Handle, key: Handle, keyClass: number): void {
  const wanted = keyClass === CK.O_SECRET_KEY ? [...KEPT, ...AES_256] : KEPT
  const found = cryptoki.C_GetAttributeValue(
    session,
    key,
    wanted.map(([, type]) => ({ type })),
  )
  for (const [i, [name, , value]] of wanted.entries())
    if (numberOf(found[i]?.value) !== value) throw new TokenFailure(ANSWER.keyUnfit, `a key has another ${name} than it was made with`)
  if (isDone(() => cryptoki.C_GetAttributeValue(session, key, [{ type: CK.A_VALUE }])))
    throw new TokenFailure(ANSWER.keyUnfit, 'the token lets a key be read')
}

/** @throws {TokenFailure} `keyUnfit` when the token wraps the key under another one, which is another way out. */
export async function assertNotWrapped(cryptoki: Cryptoki, session: Handle, key: Handle): Promise<void> {
  let wrapping: Handle
  try {
    wrapping = await cryptoki.C_GenerateKeyAsync(session, { mechanism: CK.M_AES_KEY_GEN, parameter: undefined! }, [
      { type: CK.A_TOKEN, value: false },
      { type: CK.A_VALUE_LEN, value: AES_KEY_BYTES },
      { type: CK.A_WRAP, value: true },
    ])
  } catch {
    // A token that makes no key for wrapping wraps nothing under one.
    return
  }
  try {
    const mechanism = { mechanism: CK.M_AES_KEY_WRAP_PAD, parameter: undefined! }
    if (isDone(() => cryptoki.C_WrapKey(session, mechanism, wrapping, key, Buffer.alloc(WRAPPED_BYTES))))
      throw new TokenFailure(ANSWER.keyUnfit, 'the token wraps a key that must not leave')
  } finally {
    cryptoki.C_DestroyObject(session, wrapping)
  }
}

function isDone(call: () => unknown): boolean {
  try {
    call()
    return true
  } catch {
    return false
  }
}

/** CK_BBOOL has one byte, CK_ULONG as many as the machine's `long`, in its order. */
function numberOf(value: unknown): number | null {
  if (!Buffer.isBuffer(value)) return null
  if (value.byteLength === 1) return value[0]!
  return value.byteLength === 4 || value.byteLength === 8 ? value.readUInt32LE(0) : null
}
