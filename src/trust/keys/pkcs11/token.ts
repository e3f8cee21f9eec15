import { CK, type Cryptoki, type Handle } from './cryptoki.ts'
import { assertKept, assertNotWrapped } from './kept-key.ts'
import { ANSWER, IV_BYTES, type PairAlgorithm, TAG_BYTES } from './messages.ts'
import { SessionPool } from './session-pool.ts'
import { ckrOf, failureOf, isHandleGone, isNotAuthentic, TokenFailure } from './token-failure.ts'

const AES_KEY_BYTES = 32
/** CKF_USER_PIN_FINAL_TRY, CKF_USER_PIN_LOCKED */
const FINAL_TRY = 0x0002_0000
const LOCKED = 0x0004_0000
const ALREADY_LOGGED_IN = 0x100
const MAX_SIGNATURE_BYTES = 256
/** DER object identifiers: id-Ed25519 (RFC 8410), prime256v1 (RFC 5480). */
const CURVES: Record<PairAlgorithm, { readonly parameters: Buffer; readonly make: number; readonly sign: number }> = {
  Ed25519: { parameters: Buffer.from('06032b6570', 'hex'), make: CK.M_EC_EDWARDS_KEY_PAIR_GEN, sign: CK.M_EDDSA },
  ES256: { parameters: Buffer.from('06082a8648ce3d030107', 'hex'), make: CK.M_EC_KEY_PAIR_GEN, sign: CK.M_ECDSA },
}

export interface TokenOptions {
  readonly library: string
  readonly label: string
  readonly serial: string | null
  readonly pin: string
  readonly sessions: number
}

/**
 * One token of an HSM, logged in. Every key is made in it and stays in it, and this is looked at whenever a key is used for the first time.
 * Calls may run at the same time; each session does one thing after the other.
 * @throws {TokenFailure} from every method.
 */
export class Token {
  readonly #cryptoki: Cryptoki
  readonly #slot: Handle
  readonly #pool: SessionPool
  readonly #handles = new Map<string, Handle>()
  readonly #mechanisms: readonly number[]

  private constructor(cryptoki: Cryptoki, slot: Handle, pool: SessionPool, mechanisms: readonly number[]) {
    this.#cryptoki = cryptoki
    this.#slot = slot
    this.#pool = pool
    this.#mechanisms = mechanisms
  }

  static open(cryptoki: Cryptoki, { library, label, serial, pin, sessions }: TokenOptions): Token {
    try {
      cryptoki.load(library)
      // Sessions are used from several threads: the library has to lock.
      cryptoki.C_Initialize({ flags: CK.F_OS_LOCKING_OK })
    } catch (thrown) {
      throw failureOf(thrown, ANSWER.libraryUnusable)
    }
    try {
      const slot = findSlot(cryptoki, label, serial)
      const mechanisms = cryptoki.C_GetMechanismList(slot)
      for (const [name, mechanism] of [
        ['CKM_AES_GCM', CK.M_AES_GCM],
        ['CKM_AES_KEY_GEN', CK.M_AES_KEY_GEN],
      ] as const)
        if (!mechanisms.includes(mechanism)) throw new TokenFailure(ANSWER.mechanismMissing, `the token has no mechanism ${name}`)
      const pool = new SessionPool(cryptoki, slot, sessions)
      login(cryptoki, slot, pool.first, pin)
      return new Token(cryptoki, slot, pool, mechanisms)
    } catch (thrown) {
      throw failureOf(thrown)
    }
  }

  knows(algorithm: PairAlgorithm): boolean {
    const { make, sign } = CURVES[algorithm]
    return this.#mechanisms.includes(make) && this.#mechanisms.includes(sign)
  }

  /** Makes an AES-256 key that never leaves; a token that would let it out loses it again. */
  makeKey(id: Buffer, label: string): Promise<void> {
    return this.#run(async (session) => {
      const cryptoki = this.#cryptoki
      const key = await cryptoki.C_GenerateKeyAsync(session, { mechanism: CK.M_AES_KEY_GEN, parameter: undefined! }, [
        { type: CK.A_TOKEN, value: true },
        { type: CK.A_PRIVATE, value: true },
        { type: CK.A_ID, value: id },
        { type: CK.A_LABEL, value: label },
        { type: CK.A_VALUE_LEN, value: AES_KEY_BYTES },
        { type: CK.A_SENSITIVE, value: true },
        { type: CK.A_EXTRACTABLE, value: false },
        { type: CK.A_ENCRYPT, value: true },
        { type: CK.A_DECRYPT, value: true },
        { type: CK.A_WRAP, value: false },
        { type: CK.A_UNWRAP, value: false },
      ])
      await this.#keptOrDestroyed(session, key, CK.O_SECRET_KEY)
    })
  }

  encrypt(id: Buffer, iv: Buffer, aad: Buffer, material: Buffer): Promise<Buffer> {
    return this.#using(id, CK.O_SECRET_KEY, (session, key) => {
      this.#cryptoki.C_EncryptInit(session, gcm(iv, aad), key)
      return this.#cryptoki.C_EncryptAsync(session, material, Buffer.allocUnsafeSlow(material.byteLength + TAG_BYTES))
    })
  }

  async decrypt(id: Buffer, iv: Buffer, aad: Buffer, sealed: Buffer): Promise<Buffer> {
    // A token may keep the operation open that it refuses for its arguments; nothing so short reaches one.
    if (iv.byteLength !== IV_BYTES || sealed.byteLength <= TAG_BYTES) throw new TokenFailure(ANSWER.notAuthentic, 'too short')
    return this.#using(id, CK.O_SECRET_KEY, async (session, key) => {
      this.#cryptoki.C_DecryptInit(session, gcm(iv, aad), key)
      try {
        return await this.#cryptoki.C_DecryptAsync(session, sealed, Buffer.allocUnsafeSlow(sealed.byteLength))
      } catch (thrown) {
        if (!isNotAuthentic(thrown)) throw thrown
        this.#present()
        throw new TokenFailure(ANSWER.notAuthentic, 'the tag does not fit')
      }
    })
  }

  makePair(id: Buffer, label: string, algorithm: PairAlgorithm): Promise<void> {
    return this.#run(async (session) => {
      const { make, parameters } = CURVES[algorithm]
      const shared = [
        { type: CK.A_TOKEN, value: true },
        { type: CK.A_ID, value: id },
        { type: CK.A_LABEL, value: label },
      ]
      const pair = await this.#cryptoki.C_GenerateKeyPairAsync(
        session,
        { mechanism: make, parameter: undefined! },
        [...shared, { type: CK.A_VERIFY, value: true }, { type: CK.A_EC_PARAMS, value: parameters }],
        [
          ...shared,
          { type: CK.A_PRIVATE, value: true },
          { type: CK.A_SENSITIVE, value: true },
          { type: CK.A_EXTRACTABLE, value: false },
          { type: CK.A_SIGN, value: true },
        ],
      )
      await this.#keptOrDestroyed(session, pair.privateKey, CK.O_PRIVATE_KEY)
    })
  }

  /** @returns CKA_EC_POINT as the token has it. */
  publicPoint(id: Buffer): Promise<Buffer> {
    return this.#using(id, CK.O_PUBLIC_KEY, async (session, key) => {
      const [point] = this.#cryptoki.C_GetAttributeValue(session, key, [{ type: CK.A_EC_POINT }])
      return point!.value
    })
  }

  sign(id: Buffer, algorithm: PairAlgorithm, data: Buffer): Promise<Buffer> {
    return this.#using(id, CK.O_PRIVATE_KEY, (session, key) => {
      this.#cryptoki.C_SignInit(session, { mechanism: CURVES[algorithm].sign, parameter: undefined! }, key)
      return this.#cryptoki.C_SignAsync(session, data, Buffer.alloc(MAX_SIGNATURE_BYTES))
    })
  }

  /** Whether the token is there and this key in it, found anew. */
  async check(id: Buffer): Promise<void> {
    this.#handles.delete(nameOf(id, CK.O_SECRET_KEY))
    return this.#run(async (session) => {
      this.#present()
      this.#find(session, id, CK.O_SECRET_KEY)
    })
  }

  /** Ends a key for good; a key that is not there any more was ended before. */
  async destroyKey(id: Buffer): Promise<void> {
    this.#handles.delete(nameOf(id, CK.O_SECRET_KEY))
    return this.#run(async (session) => {
      this.#present()
      const found = (): Handle[] => this.#found(session, id, CK.O_SECRET_KEY)
      for (const key of found()) this.#cryptoki.C_DestroyObject(session, key)
      if (found().length > 0) throw new TokenFailure(ANSWER.failed, 'the token keeps a key that it was told to destroy')
    })
  }

  async #run<T>(work: (session: Handle) => Promise<T>): Promise<T> {
    try {
      return await this.#pool.run(work)
    } catch (thrown) {
      throw failureOf(thrown)
    }
  }

  /** A key's handle may end with what happened to the token: it is found once more before that is an error. */
  #using<T>(id: Buffer, keyClass: number, work: (session: Handle, key: Handle) => Promise<T>): Promise<T> {
    return this.#run(async (session) => {
      const name = nameOf(id, keyClass)
      const cached = this.#handles.get(name)
      try {
        return await work(session, cached ?? this.#find(session, id, keyClass))
      } catch (thrown) {
        if (!isHandleGone(thrown)) throw thrown
        this.#handles.delete(name)
        this.#present()
        return await work(session, this.#find(session, id, keyClass))
      }
    })
  }

  #find(session: Handle, id: Buffer, keyClass: number): Handle {
    const cryptoki = this.#cryptoki
    const found = this.#found(session, id, keyClass)
    const [key] = found
    if (key === undefined) {
      this.#present()
      throw new TokenFailure(ANSWER.keyUnknown, `the token holds no key ${id.toString('hex')}`)
    }
    if (found.length > 1) throw new TokenFailure(ANSWER.keyUnfit, `the token holds several keys ${id.toString('hex')}`)
    if (keyClass !== CK.O_PUBLIC_KEY) assertKept(cryptoki, session, key, keyClass)
    this.#handles.set(nameOf(id, keyClass), key)
    return key
  }

  /** The keys of this name, two at most. */
  #found(session: Handle, id: Buffer, keyClass: number): Handle[] {
    const cryptoki = this.#cryptoki
    cryptoki.C_FindObjectsInit(session, [
      { type: CK.A_CLASS, value: keyClass },
      { type: CK.A_TOKEN, value: true },
      { type: CK.A_ID, value: id },
    ])
    try {
      return cryptoki.C_FindObjects(session, 2)
    } finally {
      cryptoki.C_FindObjectsFinal(session)
    }
  }

  async #keptOrDestroyed(session: Handle, key: Handle, keyClass: number): Promise<void> {
    try {
      assertKept(this.#cryptoki, session, key, keyClass)
      await assertNotWrapped(this.#cryptoki, session, key)
    } catch (thrown) {
      if (thrown instanceof TokenFailure && thrown.answer === ANSWER.keyUnfit) this.#cryptoki.C_DestroyObject(session, key)
      throw thrown
    }
  }

  /** A token that was pulled answers in many ways; asked for its name it cannot give one. */
  #present(): void {
    try {
      this.#cryptoki.C_GetTokenInfo(this.#slot)
    } catch (thrown) {
      throw new TokenFailure(ANSWER.tokenGone, failureOf(thrown).message)
    }
  }
}

function findSlot(cryptoki: Cryptoki, label: string, serial: string | null): Handle {
  const slots = cryptoki.C_GetSlotList(true).filter((slot) => {
    const info = cryptoki.C_GetTokenInfo(slot)
    return trimmed(info.label) === label && (serial === null || trimmed(info.serialNumber) === serial)
  })
  const [slot] = slots
  if (slot === undefined) throw new TokenFailure(ANSWER.tokenGone, 'no token has this label')
  if (slots.length > 1) throw new TokenFailure(ANSWER.libraryUnusable, 'several tokens have this label: name the serial number too')
  return slot
}

function login(cryptoki: Cryptoki, slot: Handle, session: Handle, pin: string): void {
  const { flags } = cryptoki.C_GetTokenInfo(slot)
  if ((flags & LOCKED) !== 0) throw new TokenFailure(ANSWER.pinRefused, 'the PIN is locked')
  if ((flags & FINAL_TRY) !== 0)
    throw new TokenFailure(ANSWER.pinRefused, 'one try is left before the token locks, and it is not taken here: log in once by hand')
  try {
    cryptoki.C_Login(session, CK.U_USER, pin)
  } catch (thrown) {
    if (ckrOf(thrown) !== ALREADY_LOGGED_IN) throw thrown
  }
}

/** Fixed-length fields are padded with blanks, by some makers with zeros. */
function trimmed(field: string): string {
  return field.replace(/[\0 ]+$/, '')
}

function gcm(iv: Buffer, aad: Buffer) {
  return { mechanism: CK.M_AES_GCM, parameter: { type: CK.PARAMS_AES_GCM, iv, aad, ivBits: IV_BYTES * 8, tagBits: TAG_BYTES * 8 } }
}

function nameOf(id: Buffer, keyClass: number): string {
  return `${keyClass} ${id.toString('hex')}`
}
