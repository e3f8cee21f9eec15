import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, it } from 'vitest'
import { newRecipient } from './recipient.ts'
import { sealFile } from './sealed-file.ts'

/** Debian's own Python: one earlier on PATH does not see python3-cryptography. */
const PYTHON = '/usr/bin/python3'
const JUDGE = fileURLToPath(new URL('../../../test/judges/rdbt1/rdbt1.py', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'redoubt-rdbt1-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const file = (name: string): string => join(folder, name)

interface Job {
  readonly file: string
  readonly key: string
  readonly out: string
}

function judge(jobs: readonly Job[]): readonly { ok: boolean; error: string | null }[] {
  const { status, stdout, stderr } = spawnSync(PYTHON, [JUDGE], { input: JSON.stringify(jobs), encoding: 'utf8', maxBuffer: 2 ** 26 })
  if (status !== 0) throw new Error(`the Python judge cannot run (python3-cryptography of Debian is needed): ${stderr}`)
  return JSON.parse(stdout) as { ok: boolean; error: string | null }[]
}

describe('sealed files, judged by Python: header, X25519 with ML-KEM-768, commitment, body (A1)', () => {
  it('open for each of three recipients, at every edge size, and not for a fourth, and not after a change', async () => {
    const people = await Promise.all(Array.from({ length: 4 }, () => newRecipient(null)))
    people.forEach(({ keyFile }, i) => writeFileSync(file(`key-${i}`), keyFile))
    const lock = { recipients: people.slice(0, 3).map(({ recipient }) => recipient), passphrase: null }
    const sizes = [0, 1, 17, 1_048_519, 1_048_520, 1_048_521, 2_097_080, 2_097_081]
    const jobs: Job[] = []
    for (const [i, size] of sizes.entries()) {
      const plaintext = randomBytes(size)
      const parts: Uint8Array[] = []
      for await (const part of sealFile(plaintext, lock)) parts.push(part)
      const sealed = Buffer.concat(parts)
      writeFileSync(file(`plain-${i}`), plaintext)
      writeFileSync(file(`sealed-${i}`), sealed)
      sealed[sealed.byteLength - 1]! ^= 1
      writeFileSync(file(`changed-${i}`), sealed)
      jobs.push({ file: file(`sealed-${i}`), key: file(`key-${i % 3}`), out: file(`out-${i}`) })
    }
    expect(judge(jobs)).toEqual(jobs.map(() => ({ ok: true, error: null })))
    for (const i of sizes.keys()) expect([i, readFileSync(file(`out-${i}`)).equals(readFileSync(file(`plain-${i}`)))]).toEqual([i, true])
    const refused = judge([
      { file: file('sealed-3'), key: file('key-3'), out: file('never') },
      { file: file('changed-3'), key: file('key-0'), out: file('never') },
    ])
    expect(refused).toEqual([
      { ok: false, error: 'StopIteration' },
      { ok: false, error: 'InvalidTag' },
    ])
  })
})
