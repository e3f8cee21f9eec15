import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { RedoubtError } from '#foundation/core'
import { needsPassphrase, newRecipient, openRecipientKey, parseRecipient, recipientText } from './recipient.ts'

const cheap = { memoryKiB: 19_456, passes: 2, parallelism: 1 } as const
const passphrase = Buffer.from('correct horse battery staple')
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const codeOf = async (call: () => unknown): Promise<string> => {
  try {
    await call()
    return 'done'
  } catch (error) {
    return error instanceof RedoubtError ? error.code : String(error)
  }
}

describe('a recipient', () => {
  it('is one line of text that is read back, and no other text is', async () => {
    const { recipient } = await newRecipient(null)
    const text = recipientText(recipient)
    expect(parseRecipient(text)).toEqual(recipient)
    expect(text).toMatch(/^redoubt-recipient-1\.[\w-]{1622}\.[\w-]{22}$/)
    const changes = [
      `${text} `,
      ` ${text}`,
      text.slice(0, -1),
      `${text}.`,
      text.replace('-1.', '-2.'),
      text.replace('.', '.='),
      '',
      '..',
      'a.b.c',
    ]
    for (const change of changes) expect([change, await codeOf(() => parseRecipient(change))]).toEqual([change, 'ERR_CRYPTO_RECIPIENT'])
  })

  it('is refused after any slip in copying: each letter changed, and any text (fuzz)', async () => {
    const { recipient } = await newRecipient(null)
    const text = recipientText(recipient)
    for (let at = 0; at < text.length; at += 7) {
      const slip = `${text.slice(0, at)}${text[at] === 'A' ? 'B' : 'A'}${text.slice(at + 1)}`
      expect([at, await codeOf(() => parseRecipient(slip))]).toEqual([at, 'ERR_CRYPTO_RECIPIENT'])
    }
    await fc.assert(
      fc.asyncProperty(
        fc.string({ maxLength: 4_000 }),
        async (any) => (await codeOf(() => parseRecipient(any))) === 'ERR_CRYPTO_RECIPIENT',
      ),
      { numRuns: 200 },
    )
  })
})

describe('the key file of a recipient', () => {
  it('opens with its passphrase, or without one where it was made so, to the key of that recipient (A1)', async () => {
    const sealed = await newRecipient(passphrase, cheap)
    const open = await newRecipient(null)
    expect([needsPassphrase(bytes(sealed.keyFile)), needsPassphrase(bytes(open.keyFile))]).toEqual([true, false])
    const opened = await openRecipientKey(bytes(sealed.keyFile), passphrase)
    expect(opened.recipient.fingerprint).toBe(sealed.recipient.fingerprint)
    expect((await openRecipientKey(bytes(open.keyFile), null)).recipient.fingerprint).toBe(open.recipient.fingerprint)
  })

  it('does not open with another passphrase, with none, or after a change', async () => {
    const { keyFile } = await newRecipient(passphrase, cheap)
    const other = await newRecipient(null)
    expect(await codeOf(() => openRecipientKey(bytes(keyFile), Buffer.from('another passphrase')))).toBe('ERR_KEYS_PASSPHRASE')
    expect(await codeOf(() => openRecipientKey(bytes(keyFile), null))).toBe('ERR_KEYS_PASSPHRASE')
    const fields = JSON.parse(keyFile) as Record<string, unknown>
    const variants: [object, string][] = [
      [{ recipient: recipientText(other.recipient) }, 'ERR_KEYS_PASSPHRASE'],
      [{ kdf: { ...cheap, memoryKiB: 20_000 } }, 'ERR_KEYS_PASSPHRASE'],
      [{ salt: 'A'.repeat(22) }, 'ERR_KEYS_PASSPHRASE'],
      [{ kdf: { ...cheap, memoryKiB: 1 } }, 'ERR_CRYPTO_FORMAT'],
      [{ kdf: null }, 'ERR_CRYPTO_FORMAT'],
      [{ kdf: null, salt: null, seed: 'A'.repeat(128) }, 'ERR_CRYPTO_AUTHENTICATION'],
      [{ format: 'other' }, 'ERR_CRYPTO_FORMAT'],
      [{ more: 1 }, 'ERR_CRYPTO_FORMAT'],
    ]
    for (const [change, code] of variants) {
      const file = bytes(JSON.stringify({ ...fields, ...change }))
      expect([change, await codeOf(() => openRecipientKey(file, passphrase))]).toEqual([change, code])
    }
  })

  it('of someone else under the name of a recipient is refused: the key is derived anew', async () => {
    const [mine, theirs] = [await newRecipient(null), await newRecipient(null)]
    const swapped = JSON.stringify({ ...JSON.parse(theirs.keyFile), recipient: recipientText(mine.recipient) })
    expect(await codeOf(() => openRecipientKey(bytes(swapped), null))).toBe('ERR_CRYPTO_AUTHENTICATION')
  })

  it('holds no private key in clear under a passphrase', async () => {
    const { keyFile } = await newRecipient(passphrase, cheap)
    const { key } = await openRecipientKey(bytes(keyFile), passphrase)
    const scalar = Buffer.from(key.x25519.export({ format: 'jwk' })['d']!, 'base64url')
    const file = Buffer.from(keyFile)
    for (const form of [scalar.toString('hex'), scalar.toString('base64url').slice(1, -2), scalar.toString('base64').slice(1, -3)])
      expect(file.includes(form)).toBe(false)
    const seed = Buffer.from((JSON.parse(keyFile) as { seed: string }).seed, 'base64url')
    expect(seed.includes(scalar)).toBe(false)
    const clear = await newRecipient(null)
    const open = await openRecipientKey(bytes(clear.keyFile), null)
    const inClear = Buffer.from((JSON.parse(clear.keyFile) as { seed: string }).seed, 'base64url')
    expect(inClear.includes(Buffer.from(open.key.x25519.export({ format: 'jwk' })['d']!, 'base64url'))).toBe(true)
  })

  it('is refused whatever else the bytes are (fuzz)', async () => {
    await fc.assert(
      fc.asyncProperty(fc.oneof(fc.uint8Array({ maxLength: 300 }), fc.json().map(bytes)), async (any) => {
        expect(await codeOf(() => openRecipientKey(any, passphrase))).toBe('ERR_CRYPTO_FORMAT')
      }),
      { numRuns: 200 },
    )
    expect(await codeOf(() => openRecipientKey(new Uint8Array(1_000_000), null))).toBe('ERR_CRYPTO_FORMAT')
  })
})
