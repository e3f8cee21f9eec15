import { generateKeyPairSync } from 'node:crypto'
import * as fc from 'fast-check'
import { afterEach, describe, expect, it } from 'vitest'
import { ManualClock } from '#foundation/core'
import { MemoryFolder } from '#foundation/storage'
import { openTestLog, TEST_TIME, testKey, testSigner } from './audit-testing.ts'
import { openCheckpoint, parseCheckpoint, signCheckpoint } from './checkpoint.ts'
import { witnessSink } from './checkpoint-sinks.ts'
import { cosign, createCosigner, findCosignature } from './cosignature.ts'
import { emptyRoot } from './merkle-hash.ts'
import { consistencyProof } from './prove-merkle.ts'
import { formatVerifierKey, parseVerifierKey } from './signed-note.ts'
import { tileNodes } from './tile-reader.ts'
import { verifyProof } from './tlog-proof.ts'
import { parseSubmission, startWitness, type Witness, type WitnessOptions } from './witness.ts'

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64')
const leafOf = (i: number): Uint8Array => Buffer.from(`leaf ${i}`)
const running: Witness[] = []
afterEach(async () => {
  for (const witness of running.splice(0)) await witness.close()
})

async function start(logs: readonly string[], overrides: Partial<WitnessOptions> = {}): Promise<Witness> {
  const witness = await startWitness({
    folder: new MemoryFolder(),
    name: 'witness.test/w1',
    keys: [testKey('w1')],
    logs,
    clock: new ManualClock(TEST_TIME),
    ...overrides,
  })
  running.push(witness)
  return witness
}

async function post(witness: Witness, body: string): Promise<{ status: number; text: string; type: string | null }> {
  const response = await fetch(new URL('add-checkpoint', witness.url), { method: 'POST', body })
  return { status: response.status, text: await response.text(), type: response.headers.get('content-type') }
}

/** Signed notes of sizes 3 and 7 of one log, and the proof between them. */
async function twoCheckpoints(): Promise<{ key: string; three: string; seven: string; proof: string[] }> {
  const log = await openTestLog()
  for (let i = 0; i < 3; i++) await log.append(leafOf(i))
  const three = await log.publish()
  for (let i = 3; i < 7; i++) await log.append(leafOf(i))
  const seven = await log.publish()
  const proof = consistencyProof(
    3,
    7,
    tileNodes(7, (path) => log.resource(path)),
  ).map(base64)
  const key = log.verifierKey()
  await log.close()
  return { key, three, seven, proof }
}

const body = (old: number, proof: readonly string[], note: string): string => `${[`old ${old}`, ...proof].join('\n')}\n\n${note}`

describe('witness (C2SP tlog-witness)', () => {
  it('cosigns a first checkpoint and one that extends it, and keeps its state over a restart', async () => {
    const { key, three, seven, proof } = await twoCheckpoints()
    const folder = new MemoryFolder()
    const first = await start([key], { folder })
    const answer = await post(first, body(0, [], three))
    expect(answer.status).toBe(200)
    const vkey = parseVerifierKey(first.verifierKeys[0]!)
    expect(findCosignature(parseCheckpoint(three + answer.text)!, vkey)).toBe(TEST_TIME / 1000)
    expect(findCosignature(parseCheckpoint(three + answer.text)!, parseVerifierKey(formatVerifierKey(vkey)))).not.toBeNull()
    const second = await start([key], { folder: folder.powerCut(() => 0) })
    expect((await post(second, body(0, [], seven))).text).toBe('3\n')
    expect((await post(second, body(3, proof, seven))).status).toBe(200)
    expect((await post(second, body(7, [], seven))).status).toBe(200)
  })

  it('answers with the status of the specification for each thing that can be wrong', async () => {
    const { key, three, seven, proof } = await twoCheckpoints()
    const witness = await start([key])
    expect((await post(witness, body(0, [], three))).status).toBe(200)
    expect((await post(witness, 'nonsense')).status).toBe(400)
    expect((await post(witness, body(8, [], seven))).status).toBe(400)
    const foreign = await signCheckpoint('other.test/log', 3, emptyRoot(), testSigner())
    expect((await post(witness, body(0, [], foreign))).status).toBe(404)
    const forged = await signCheckpoint('redoubt.test/log', 7, emptyRoot(), testSigner('thief'))
    expect((await post(witness, body(3, proof, forged))).status).toBe(403)
    expect(await post(witness, body(2, proof, seven))).toEqual({ status: 409, text: '3\n', type: 'text/x.tlog.size' })
    expect((await post(witness, body(3, proof.toReversed(), seven))).status).toBe(422)
    expect((await post(witness, body(3, [], seven))).status).toBe(422)
    expect((await fetch(new URL('add-checkpoint', witness.url))).status).toBe(405)
    expect((await fetch(new URL('other', witness.url))).status).toBe(404)
    expect((await post(witness, 'x'.repeat(200_000)).catch(() => ({ status: 413 }))).status).toBe(413)
  })

  it('refuses a fork of the same size, a rewritten past and a shorter log, signed by the log key itself (E5)', async () => {
    const { key, three, seven, proof } = await twoCheckpoints()
    const witness = await start([key])
    await post(witness, body(0, [], three))
    const fork = await signCheckpoint('redoubt.test/log', 3, emptyRoot(), testSigner())
    expect((await post(witness, body(3, [], fork))).status).toBe(409)
    const rewritten = await signCheckpoint('redoubt.test/log', 7, emptyRoot(), testSigner())
    expect((await post(witness, body(3, proof, rewritten))).status).toBe(422)
    expect((await post(witness, body(3, proof, seven))).status).toBe(200)
    expect((await post(witness, body(3, [], three))).status).toBe(409)
  })

  it('never cosigns what it could not store', async () => {
    const { key, three } = await twoCheckpoints()
    const witness = await start([key], { folder: new MemoryFolder({ fault: () => 'disk-full' }) })
    expect((await post(witness, body(0, [], three))).status).toBe(500)
  })

  it('cosigns with Ed25519 and ML-DSA-44 side by side, and both verify from their verifier keys', async () => {
    const { key, three } = await twoCheckpoints()
    const postQuantum = generateKeyPairSync('ml-dsa-44' as 'ed25519')
    const witness = await start([key], { keys: [testKey('w1'), postQuantum] })
    const answer = await post(witness, body(0, [], three))
    const checkpoint = parseCheckpoint(three + answer.text)!
    expect(witness.verifierKeys).toHaveLength(2)
    for (const vkey of witness.verifierKeys) {
      expect(findCosignature(checkpoint, parseVerifierKey(vkey))).toBe(TEST_TIME / 1000)
      expect(findCosignature(parseCheckpoint(three)!, parseVerifierKey(vkey))).toBeNull()
    }
  })

  it('does not take a cosignature over one checkpoint, by one key or of one time for another', async () => {
    const { three, seven } = await twoCheckpoints()
    const { privateKey, publicKey } = testKey('w1')
    const cosigner = createCosigner('w.test', privateKey, publicKey)
    const line = cosign(parseCheckpoint(three)!, cosigner, TEST_TIME)
    expect(findCosignature(parseCheckpoint(three + line)!, cosigner.key)).toBe(TEST_TIME / 1000)
    expect(findCosignature(parseCheckpoint(seven + line)!, cosigner.key)).toBeNull()
    const other = createCosigner('v.test', privateKey, publicKey)
    expect(findCosignature(parseCheckpoint(three + line)!, other.key)).toBeNull()
    const bytes = Buffer.from(line.split(' ')[2]!.trim(), 'base64')
    bytes[11]! ^= 1
    const shifted = `\u2014 w.test ${bytes.toString('base64')}\n`
    expect(findCosignature(parseCheckpoint(three + shifted)!, cosigner.key)).toBeNull()
  })

  it('never throws on a request that an attacker wrote (fuzz)', async () => {
    const { three } = await twoCheckpoints()
    fc.assert(
      fc.property(fc.string(), (text) => {
        parseSubmission(text)
      }),
    )
    fc.assert(
      fc.property(fc.nat(), fc.string({ maxLength: 3 }), (at, patch) => {
        const whole = body(0, [], three)
        const cut = at % whole.length
        parseSubmission(whole.slice(0, cut) + patch + whole.slice(cut + patch.length))
      }),
    )
  })
})

describe('witness client', () => {
  it('gets each checkpoint cosigned, and proofs carry the cosignature (E5)', async () => {
    const key = (await openTestLog()).verifierKey()
    const witness = await start([key])
    const sink = witnessSink({ url: witness.url, verifierKeys: witness.verifierKeys })
    const log = await openTestLog({ outside: [sink] })
    for (let round = 0; round < 3; round++) {
      for (let i = 0; i < 100; i++) void log.append(leafOf(i))
      const index = await log.append(leafOf(round))
      const { proof, entry } = await log.prove(index)
      const verdict = verifyProof(proof, Buffer.from(entry), key, witness.verifierKeys)
      expect(verdict).toMatchObject({ ok: true, witnesses: [{ name: 'witness.test/w1', time: TEST_TIME / 1000 }] })
    }
    expect(log.health().outside).toMatchObject([{ size: 303, failures: 0, problem: null }])
    await log.close()
  })

  it('learns the size the witness holds after a restart of the log', async () => {
    const folder = new MemoryFolder()
    const log = await openTestLog({ folder })
    const witness = await start([log.verifierKey()])
    for (let i = 0; i < 5; i++) await log.append(leafOf(i))
    const five = await log.publish()
    await log.close()
    expect((await post(witness, body(0, [], five))).status).toBe(200)
    const again = await openTestLog({ folder, outside: [witnessSink({ url: witness.url, verifierKeys: witness.verifierKeys })] })
    await again.append(leafOf(5))
    const { proof, entry } = await again.prove(5)
    expect(verifyProof(proof, Buffer.from(entry), again.verifierKey(), witness.verifierKeys).ok).toBe(true)
    await again.close()
  })

  it('says so when the log is shorter than what the witness cosigned, and when the witness is unreachable', async () => {
    const { key, seven } = await twoCheckpoints()
    const witness = await start([key])
    await post(witness, body(0, [], seven))
    const rolledBack = await openTestLog({ outside: [witnessSink({ url: witness.url, verifierKeys: witness.verifierKeys })] })
    await rolledBack.append(leafOf(0))
    await rolledBack.publish()
    await rolledBack.close()
    expect(rolledBack.health().outside[0]?.problem).toContain('larger tree of size 7')
    const gone = witnessSink({ url: 'http://127.0.0.1:9/', verifierKeys: witness.verifierKeys })
    await expect(gone.push(seven, { consistency: () => [] })).rejects.toMatchObject({ code: 'ERR_AUDIT_UNAVAILABLE' })
  })

  it('ignores cosignatures of keys it was not told of', async () => {
    const { key, three } = await twoCheckpoints()
    const witness = await start([key])
    const { privateKey, publicKey } = testKey('other')
    const other = formatVerifierKey(createCosigner('witness.test/w1', privateKey, publicKey).key)
    const sink = witnessSink({ url: witness.url, verifierKeys: [other] })
    await expect(sink.push(three, { consistency: () => [] })).rejects.toMatchObject({ code: 'ERR_AUDIT_CHECKPOINT_INVALID' })
    expect(openCheckpoint(three, key).size).toBe(3)
  })
})
