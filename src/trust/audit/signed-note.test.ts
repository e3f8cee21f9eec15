import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { openTestLog, testKey, testSigner } from './audit-testing.ts'
import { openCheckpoint, parseCheckpoint, signCheckpoint } from './checkpoint.ts'
import { emptyRoot, leafHash } from './merkle-hash.ts'
import { formatVerifierKey, parseNote, parseVerifierKey, signatureLine, verifierKeyOf } from './signed-note.ts'
import { parseTilePath, tilePath } from './tile-paths.ts'
import { formatProof, parseProof, verifyProof } from './tlog-proof.ts'

const signer = testSigner()
const vkey = formatVerifierKey(verifierKeyOf('Ed25519', 'redoubt.test/log', signer.publicKey))
const note = await signCheckpoint('redoubt.test/log', 0, emptyRoot(), signer)

describe('signed notes and checkpoints (C2SP)', () => {
  it('reads the verifier key and the note that Go publishes as its example (golang.org/x/mod/sumdb/note)', () => {
    const key = parseVerifierKey('PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW')
    expect(key).toMatchObject({ name: 'PeterNeumann', keyId: 0xc74f20a3, kind: 'Ed25519' })
    expect(formatVerifierKey(key)).toBe('PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW')
  })

  it('opens what the log key signed and refuses a change of any one character of the text', () => {
    expect(openCheckpoint(note, vkey)).toMatchObject({ size: 0, origin: 'redoubt.test/log' })
    const end = note.indexOf('\n\n')
    for (let at = 0; at < end; at++) {
      const changed = note.slice(0, at) + (note[at] === 'A' ? 'B' : 'A') + note.slice(at + 1)
      expect(() => openCheckpoint(changed, vkey)).toThrow(expect.objectContaining({ code: 'ERR_AUDIT_CHECKPOINT_INVALID' }) as Error)
    }
  })

  it('refuses a note without the signature of the key, or with a bad one beside the good one', () => {
    const { keyId } = parseVerifierKey(vkey)
    const text = note.slice(0, note.indexOf('\n\n') + 2)
    const bad = signatureLine('redoubt.test/log', keyId, new Uint8Array(64))
    const stranger = signatureLine('stranger', 7, new Uint8Array(64))
    for (const forged of [text + bad, text + stranger, note + bad])
      expect(() => openCheckpoint(forged, vkey)).toThrow(expect.objectContaining({ code: 'ERR_AUDIT_CHECKPOINT_INVALID' }) as Error)
    expect(openCheckpoint(note + stranger, vkey).size).toBe(0)
  })

  it.each([
    ['leading zero', 'a\n01\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n'],
    ['size beyond 2^53 − 1', 'a\n9007199254740993\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n'],
    ['short root', 'a\n0\nAAAA\n'],
    ['root not in canonical base64', 'a\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFV=\n'],
    ['no origin', '\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n'],
    ['missing line', 'a\n0\n'],
    ['control character', 'a\t\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n'],
  ])('does not take for a checkpoint: %s', (_, text) => {
    expect(parseCheckpoint(`${text}\n${signatureLine('a', 1, new Uint8Array(64))}`)).toBeNull()
  })

  it('refuses verifier keys whose id, type or length does not fit', () => {
    const [name, id, key] = vkey.split('+', 3) as [string, string, string]
    const rest = vkey.slice(name.length + id.length + 2)
    for (const text of [`${name}+00000000+${rest}`, `other+${id}+${rest}`, `${name}+${id}+${key.slice(0, 8)}`, 'x', ''])
      expect(() => parseVerifierKey(text)).toThrow(expect.objectContaining({ code: 'ERR_AUDIT_CHECKPOINT_INVALID' }) as Error)
    expect(() => verifierKeyOf('Ed25519', 'with space', testKey('a').publicKey)).toThrow()
  })

  it('never throws on text that an attacker wrote (fuzz)', () => {
    fc.assert(
      fc.property(fc.string(), fc.nat(), fc.string({ maxLength: 4 }), (text, at, patch) => {
        parseNote(text)
        const cut = at % note.length
        parseCheckpoint(note.slice(0, cut) + patch + note.slice(cut + patch.length))
        parseProof(text)
        parseTilePath(text)
      }),
    )
  })
})

describe('proof files (C2SP tlog-proof)', () => {
  it('round-trips, with and without extra data', async () => {
    const log = await openTestLog()
    for (let i = 0; i < 20; i++) await log.append(Buffer.from(`leaf ${i}`))
    const { proof } = await log.prove(7)
    const parsed = parseProof(proof)!
    expect(formatProof(parsed)).toBe(proof)
    const extra = formatProof({ ...parsed, extra: Buffer.from('context') })
    expect(Buffer.from(parseProof(extra)!.extra!).toString()).toBe('context')
    expect(verifyProof(extra, Buffer.from('leaf 7'), log.verifierKey()).ok).toBe(true)
    await log.close()
  })

  it('detects a change of any one character before the signatures, and of any byte of the entry (A7)', async () => {
    const log = await openTestLog()
    for (let i = 0; i < 11; i++) await log.append(Buffer.from(`leaf ${i}`))
    const { proof } = await log.prove(4)
    const key = log.verifierKey()
    const entry = Buffer.from('leaf 4')
    expect(verifyProof(proof, entry, key).ok).toBe(true)
    for (let at = 0; at < proof.lastIndexOf('\n\n'); at++) {
      const changed = proof.slice(0, at) + (proof[at] === 'A' ? 'B' : 'A') + proof.slice(at + 1)
      expect(verifyProof(changed, entry, key).ok).toBe(false)
    }
    for (let at = 0; at < entry.length; at++) {
      const changed = Buffer.from(entry)
      changed[at]! ^= 1
      expect(verifyProof(proof, changed, key).ok).toBe(false)
    }
    expect(verifyProof(proof, entry, vkey.replace('redoubt', 'redoubt2')).ok).toBe(false)
    expect(verifyProof(proof, entry, key, ['w+00000000+AAAA'])).toMatchObject({ ok: false })
    expect(leafHash(entry)).toHaveLength(32)
    await log.close()
  })

  it.each([
    'index 01',
    'index -1',
    'index 9007199254740993',
    'index 1\nAAAA',
    'index 1\n' + `${Buffer.alloc(32).toString('base64')}\n`.repeat(64),
  ])('is not well-formed with `%.20s`', (lines) => {
    expect(parseProof(`c2sp.org/tlog-proof@v1\n${lines.trimEnd()}\n\n${note}`)).toBeNull()
  })
})

describe('tile paths (C2SP tlog-tiles)', () => {
  it('encodes as the specification shows, and reads back only the one canonical spelling', () => {
    expect(tilePath({ kind: 0, index: 1_234_067, width: 256 })).toBe('tile/0/x001/x234/067')
    expect(tilePath({ kind: 'entries', index: 273, width: 112 })).toBe('tile/entries/273.p/112')
    fc.assert(
      fc.property(
        fc.constantFrom('entries', 'bodies', 0, 1, 5),
        fc.maxSafeNat(),
        fc.integer({ min: 1, max: 256 }),
        (kind, large, width) => {
          const name = { kind: kind as 'entries' | 'bodies' | number, index: large % 10 ** 14, width }
          expect(parseTilePath(tilePath(name))).toEqual(name)
        },
      ),
    )
    for (const path of [
      'tile/0/0',
      'tile/0/x000/001',
      'tile/00/001',
      'tile/7/001',
      'tile/0/001.p/0',
      'tile/0/001.p/256',
      'tile/0/001/',
      '/tile/0/001',
      'tile/0/../001',
    ])
      expect(parseTilePath(path)).toBeNull()
  })
})
