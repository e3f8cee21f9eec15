import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { Duplex } from 'node:stream'
import { CK, type Cryptoki, type Handle } from './cryptoki.ts'
import { serveToken } from './serve-token.ts'
import type { WorkerProcess } from './spawn-worker.ts'

/** A refusal as `pkcs11js` throws it. */
export class FakeCkr extends Error {
  readonly code: number

  constructor(code: number, name = 'CKR_OF_THE_FAKE') {
    super(name)
    this.code = code
  }
}

interface FakeKey {
  readonly attributes: Map<number, Buffer>
  readonly value: Buffer
}

const numbers = (value: unknown): Buffer => {
  if (Buffer.isBuffer(value)) return Buffer.from(value)
  if (typeof value === 'boolean') return Buffer.from([Number(value)])
  if (typeof value === 'string') return Buffer.from(value)
  const bytes = Buffer.alloc(8)
  bytes.writeUInt32LE(value as number)
  return bytes
}

/**
 * A fake of what is used of `pkcs11js`: one token, AES-GCM of Node's, no signing. It shows how the process, its queues and its
 * watchdog behave where a real token cannot be made to; that PKCS#11 is spoken rightly, only the tests on SoftHSM show.
 */
export class FakeCryptoki {
  readonly keys = new Map<string, FakeKey>()
  readonly sessions = new Map<string, { busy: boolean; readonly started: number }>()
  readonly logins: string[] = []
  pin = '1234'
  flags = 0
  labels = ['token']
  present = true
  /** Thrown by the next encryptions and decryptions, in this order. */
  failures: unknown[] = []
  /** What keys say of themselves in place of the truth. */
  claims = new Map<number, Buffer>()
  readable = false
  wraps = false
  mechanisms: number[] = [CK.M_AES_GCM, CK.M_AES_KEY_GEN]
  #handles = 0
  #mechanism: { readonly iv: Buffer; readonly aad: Buffer } | null = null
  readonly #keyOf = new Map<string, FakeKey>()

  load(): void {}
  C_Initialize(): void {}
  C_GetSlotList(): Handle[] {
    return this.labels.map((_, i) => this.#handle(i + 1))
  }
  C_GetTokenInfo(slot: Handle): { label: string; serialNumber: string; flags: number } {
    if (!this.present) throw new FakeCkr(0x05)
    const at = slot.readUInt32LE() - 1
    return { label: this.labels[at]!.padEnd(32), serialNumber: `S${at}`.padEnd(16), flags: this.flags }
  }
  C_GetMechanismList(): number[] {
    return this.mechanisms
  }
  C_OpenSession(): Handle {
    const handle = this.#handle(++this.#handles)
    this.sessions.set(handle.toString('hex'), { busy: false, started: 0 })
    return handle
  }
  C_CloseSession(session: Handle): void {
    this.sessions.delete(session.toString('hex'))
  }
  C_Login(_session: Handle, _user: number, pin: string): void {
    this.logins.push(pin)
    if (pin !== this.pin) throw new FakeCkr(0xa0, 'CKR_PIN_INCORRECT')
  }
  async C_GenerateKeyAsync(_session: Handle, _mechanism: unknown, template: readonly { type: number; value?: unknown }[]): Promise<Handle> {
    const given = new Map(template.map(({ type, value }) => [type, numbers(value)]))
    const made = new Map([
      ...[CK.A_ALWAYS_SENSITIVE, CK.A_NEVER_EXTRACTABLE, CK.A_LOCAL].map((type) => [type, Buffer.from([1])] as const),
      [CK.A_KEY_TYPE, numbers(CK.K_AES)] as const,
      [CK.A_CLASS, numbers(CK.O_SECRET_KEY)] as const,
      ...given,
      ...this.claims,
    ])
    return this.add({ attributes: made, value: randomBytes(32) })
  }
  add(key: FakeKey): Handle {
    const handle = this.#handle(++this.#handles)
    this.keys.set(handle.toString('hex'), key)
    return handle
  }
  C_DestroyObject(_session: Handle, key: Handle): void {
    this.keys.delete(key.toString('hex'))
  }
  #found: Handle[] = []
  C_FindObjectsInit(_session: Handle, template: readonly { type: number; value?: unknown }[]): void {
    this.#found = [...this.keys].flatMap(([handle, { attributes }]) =>
      template.every(({ type, value }) => attributes.get(type)?.equals(numbers(value)) === true) ? [Buffer.from(handle, 'hex')] : [],
    )
  }
  C_FindObjects(_session: Handle, count: number): Handle[] {
    return this.#found.slice(0, count)
  }
  C_FindObjectsFinal(): void {}
  C_GetAttributeValue(_session: Handle, key: Handle, template: readonly { type: number }[]): { type: number; value: Buffer }[] {
    const { attributes, value } = this.#key(key)
    return template.map(({ type }) => {
      if (type !== CK.A_VALUE) return { type, value: attributes.get(type)! }
      if (!this.readable) throw new FakeCkr(0x11, 'CKR_ATTRIBUTE_SENSITIVE')
      return { type, value }
    })
  }
  C_WrapKey(): Buffer {
    if (!this.wraps) throw new FakeCkr(0x6a, 'CKR_KEY_UNEXTRACTABLE')
    return Buffer.alloc(40)
  }
  C_EncryptInit(session: Handle, mechanism: { parameter: { iv: Buffer; aad: Buffer } }, key: Handle): void {
    this.#begin(session, mechanism, key)
  }
  C_EncryptAsync(session: Handle, bytes: Buffer): Promise<Buffer> {
    return this.#finish(session, (value, iv, aad) => {
      const cipher = createCipheriv('aes-256-gcm', value, iv)
      cipher.setAAD(aad)
      return Buffer.concat([cipher.update(bytes), cipher.final(), cipher.getAuthTag()])
    })
  }
  C_DecryptInit(session: Handle, mechanism: { parameter: { iv: Buffer; aad: Buffer } }, key: Handle): void {
    this.#begin(session, mechanism, key)
  }
  C_DecryptAsync(session: Handle, bytes: Buffer): Promise<Buffer> {
    return this.#finish(session, (value, iv, aad) => {
      const cipher = createDecipheriv('aes-256-gcm', value, iv)
      cipher.setAAD(aad)
      cipher.setAuthTag(bytes.subarray(-16))
      const clear = cipher.update(bytes.subarray(0, -16))
      try {
        cipher.final()
      } catch {
        throw new FakeCkr(0x05, 'CKR_GENERAL_ERROR')
      }
      return clear
    })
  }

  get cryptoki(): Cryptoki {
    return this as unknown as Cryptoki
  }

  #begin(session: Handle, { parameter }: { parameter: { iv: Buffer; aad: Buffer } }, key: Handle): void {
    const state = this.sessions.get(session.toString('hex'))
    if (state === undefined) throw new FakeCkr(0xb3, 'CKR_SESSION_HANDLE_INVALID')
    if (state.busy) throw new FakeCkr(0x90, 'CKR_OPERATION_ACTIVE')
    this.#keyOf.set(session.toString('hex'), this.#key(key))
    this.#mechanism = parameter
    state.busy = true
  }

  async #finish(session: Handle, work: (value: Buffer, iv: Buffer, aad: Buffer) => Buffer): Promise<Buffer> {
    const name = session.toString('hex')
    const [key, { iv, aad }] = [this.#keyOf.get(name)!, this.#mechanism!]
    await new Promise((resolve) => setImmediate(resolve))
    // The session stays busy after this, as SoftHSM's does for bad arguments.
    if (this.failures.length > 0) throw this.failures.shift()
    try {
      return work(key.value, iv, aad)
    } finally {
      this.sessions.get(name)!.busy = false
    }
  }

  #key(handle: Handle): FakeKey {
    const key = this.keys.get(handle.toString('hex'))
    if (key === undefined) throw new FakeCkr(0x82, 'CKR_OBJECT_HANDLE_INVALID')
    return key
  }

  #handle(number: number): Handle {
    const handle = Buffer.alloc(8)
    handle.writeUInt32LE(number)
    return handle
  }
}

/** Both ends of a channel that copies what is written and whose one end ends with the other, as a socket's do. */
export function fakeChannel(): readonly [near: Duplex, far: Duplex] {
  const end = (other: () => Duplex): Duplex =>
    new Duplex({
      read: () => undefined,
      write(chunk: Buffer, _encoding, done) {
        other().push(Buffer.from(chunk))
        done()
      },
      destroy(error, done) {
        other().destroy()
        done(error)
      },
    })
  const near: Duplex = end(() => far)
  const far: Duplex = end(() => near)
  return [near, far]
}

/** A fake of the process: the real loop over the fake, in this one. */
export interface FakeProcess extends WorkerProcess {
  /** As if it had crashed. */
  crash(): void
  /** Sends what is not of the protocol. */
  babble(): void
}

export function fakeProcess(fake: FakeCryptoki, { silent = false } = {}): FakeProcess {
  const [near, far] = fakeChannel()
  let told: (how: string) => void = () => undefined
  if (silent) far.resume()
  else serveToken(far, () => fake.cryptoki)
  far.on('error', () => undefined)
  return {
    pid: null,
    channel: near,
    onEnd(listener) {
      told = listener
    },
    kill() {
      far.destroy()
    },
    crash() {
      far.destroy()
      told('ended with SIGSEGV')
    },
    babble: () => void far.write(Buffer.alloc(64, 0xff)),
  }
}
