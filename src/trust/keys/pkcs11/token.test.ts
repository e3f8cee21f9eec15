import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { CK } from './cryptoki.ts'
import { FakeCkr, FakeCryptoki } from './fake-cryptoki.fixtures.ts'
import { ANSWER, type Answer } from './messages.ts'
import { Token, type TokenOptions } from './token.ts'
import { TokenFailure } from './token-failure.ts'

const ID = Buffer.from('0123456789abcdef0123456789abcdef', 'hex')
const IV = Buffer.alloc(12, 1)
const AAD = Buffer.from('place')
const options: TokenOptions = { library: '/lib/fake.so', label: 'token', serial: null, pin: '1234', sessions: 2 }

function open(fake = new FakeCryptoki(), changed: Partial<TokenOptions> = {}): Token {
  return Token.open(fake.cryptoki, { ...options, ...changed })
}

async function answerOf(call: () => unknown): Promise<Answer> {
  try {
    await call()
    return ANSWER.done
  } catch (thrown) {
    expect(thrown).toBeInstanceOf(TokenFailure)
    return (thrown as TokenFailure).answer
  }
}

/** All of these run over a fake of the library. */
describe('logging in to a token (on a fake)', () => {
  it('tries a PIN once, and not at all where the token is locked or has one try left', async () => {
    const wrong = new FakeCryptoki()
    wrong.pin = '9999'
    expect(await answerOf(() => open(wrong))).toBe(ANSWER.pinRefused)
    expect(wrong.logins).toHaveLength(1)
    for (const flags of [0x0002_0000, 0x0004_0000]) {
      const fake = new FakeCryptoki()
      fake.flags = flags
      expect(await answerOf(() => open(fake))).toBe(ANSWER.pinRefused)
      expect(fake.logins).toHaveLength(0)
    }
  })

  it('takes the one token of the label, or of label and serial number, and no other', async () => {
    const fake = new FakeCryptoki()
    fake.labels = ['token', 'other', 'token']
    expect(await answerOf(() => open(fake))).toBe(ANSWER.libraryUnusable)
    expect(await answerOf(() => open(fake, { serial: 'S2' }))).toBe(ANSWER.done)
    expect(await answerOf(() => open(fake, { serial: 'S1' }))).toBe(ANSWER.tokenGone)
    expect(await answerOf(() => open(fake, { label: 'tok' }))).toBe(ANSWER.tokenGone)
    fake.mechanisms = [CK.M_AES_KEY_GEN]
    expect(await answerOf(() => open(fake, { label: 'other' }))).toBe(ANSWER.mechanismMissing)
  })
})

describe('keys in a token (on a fake)', () => {
  it('encrypt for one place, and open nothing else', async () => {
    const token = open()
    await token.makeKey(ID, 'redoubt dataset 1')
    const sealed = await token.encrypt(ID, IV, AAD, Buffer.from('key'))
    expect((await token.decrypt(ID, IV, AAD, sealed)).toString()).toBe('key')
    for (const [iv, aad, bytes] of [
      [IV, Buffer.from('elsewhere'), sealed],
      [Buffer.alloc(12, 2), AAD, sealed],
      [IV.subarray(1), AAD, sealed],
      [IV, AAD, sealed.subarray(1)],
      [IV, AAD, Buffer.alloc(16)],
      [IV, AAD, Buffer.alloc(0)],
    ] as const)
      expect(await answerOf(() => token.decrypt(ID, iv, aad, bytes))).toBe(ANSWER.notAuthentic)
    expect(await answerOf(() => token.decrypt(randomBytes(16), IV, AAD, sealed))).toBe(ANSWER.keyUnknown)
  })

  it('are not used, and not kept, when they can leave the token in any way (A4)', async () => {
    const ways: readonly ((fake: FakeCryptoki) => void)[] = [
      (fake) => (fake.readable = true),
      (fake) => (fake.wraps = true),
      ...[CK.A_EXTRACTABLE].map((type) => (fake: FakeCryptoki) => void fake.claims.set(type, Buffer.from([1]))),
      ...[CK.A_SENSITIVE, CK.A_ALWAYS_SENSITIVE, CK.A_NEVER_EXTRACTABLE, CK.A_LOCAL, CK.A_TOKEN].map(
        (type) => (fake: FakeCryptoki) => void fake.claims.set(type, Buffer.from([0])),
      ),
      (fake) => fake.claims.set(CK.A_VALUE_LEN, Buffer.from([16, 0, 0, 0, 0, 0, 0, 0])),
      (fake) => fake.claims.set(CK.A_KEY_TYPE, Buffer.from([0x13, 0, 0, 0, 0, 0, 0, 0])),
    ]
    for (const [i, leaks] of ways.entries()) {
      const fake = new FakeCryptoki()
      const token = open(fake)
      leaks(fake)
      expect([i, await answerOf(() => token.makeKey(ID, 'redoubt'))]).toEqual([i, ANSWER.keyUnfit])
      expect([i, fake.keys.size]).toEqual([i, 0])
    }
  })

  it('are looked at again when they are found, and two of one name are none (A4)', async () => {
    const fake = new FakeCryptoki()
    await open(fake).makeKey(ID, 'redoubt')
    fake.readable = true
    expect(await answerOf(() => open(fake).encrypt(ID, IV, AAD, ID))).toBe(ANSWER.keyUnfit)
    fake.readable = false
    expect(await answerOf(() => open(fake).encrypt(ID, IV, AAD, ID))).toBe(ANSWER.done)
    fake.add([...fake.keys.values()][0]!)
    expect(await answerOf(() => open(fake).encrypt(ID, IV, AAD, ID))).toBe(ANSWER.keyUnfit)
  })

  it('are not authentic by any of the words that tokens have for it, unless the token is gone', async () => {
    const fake = new FakeCryptoki()
    const token = open(fake)
    await token.makeKey(ID, 'redoubt')
    const sealed = await token.encrypt(ID, IV, AAD, ID)
    for (const code of [0x05, 0x06, 0x20, 0x21, 0x40, 0x41, 0x42]) {
      fake.failures = [new FakeCkr(code)]
      expect([code, await answerOf(() => token.decrypt(ID, IV, AAD, sealed))]).toEqual([code, ANSWER.notAuthentic])
    }
    fake.failures = [new Error('CKR_DEVICE_REMOVED:50')]
    expect(await answerOf(() => token.decrypt(ID, IV, AAD, sealed))).toBe(ANSWER.tokenGone)
    fake.failures = [new FakeCkr(0x101, 'CKR_USER_NOT_LOGGED_IN')]
    expect(await answerOf(() => token.decrypt(ID, IV, AAD, sealed))).toBe(ANSWER.sessionLost)
    fake.present = false
    fake.failures = [new FakeCkr(0x05)]
    expect(await answerOf(() => token.decrypt(ID, IV, AAD, sealed))).toBe(ANSWER.tokenGone)
  })

  it('go on in a fresh session after an operation that an error left open', async () => {
    const fake = new FakeCryptoki()
    const token = open(fake)
    await token.makeKey(ID, 'redoubt')
    fake.failures = [1, 2, 3, 4].map(() => new FakeCkr(0x07, 'CKR_ARGUMENTS_BAD'))
    for (let i = 0; i < 4; i++) expect(await answerOf(() => token.encrypt(ID, IV, AAD, ID))).toBe(ANSWER.failed)
    for (let i = 0; i < 4; i++) expect(await answerOf(() => token.encrypt(ID, IV, AAD, ID))).toBe(ANSWER.done)
    expect(fake.sessions.size).toBe(2)
  })

  it('are found again when their handle has gone', async () => {
    const fake = new FakeCryptoki()
    const token = open(fake)
    await token.makeKey(ID, 'redoubt')
    const sealed = await token.encrypt(ID, IV, AAD, Buffer.from('key'))
    const [[handle, key]] = [...fake.keys] as [[string, Parameters<typeof fake.add>[0]]]
    fake.keys.delete(handle)
    fake.add(key)
    expect((await token.decrypt(ID, IV, AAD, sealed)).toString()).toBe('key')
    fake.keys.clear()
    expect(await answerOf(() => token.decrypt(ID, IV, AAD, sealed))).toBe(ANSWER.keyUnknown)
  })

  it('do one thing at a time in each session, however many ask (a second one in the same would be CKR_OPERATION_ACTIVE)', async () => {
    const fake = new FakeCryptoki()
    const token = open(fake)
    await token.makeKey(ID, 'redoubt')
    const sealed = await Promise.all(Array.from({ length: 64 }, (_, i) => token.encrypt(ID, IV, AAD, Buffer.from(`key ${i}`))))
    const opened = await Promise.all(sealed.map((bytes) => token.decrypt(ID, IV, AAD, bytes)))
    expect(opened.map(String)).toEqual(sealed.map((_, i) => `key ${i}`))
  })
})
