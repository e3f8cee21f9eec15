import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { MemoryAudit, newWorld, USE } from './keys.fixtures.ts'

const folder = mkdtempSync(join(tmpdir(), 'redoubt-openssl-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

it('openssl accepts a signature of the model-signing key, and refuses it for other bytes (C11)', async () => {
  const signer = await (await newWorld().open()).keys(new MemoryAudit()).signer('model-signing', USE)
  const model = randomBytes(10_000)
  writeFileSync(join(folder, 'model'), model)
  writeFileSync(join(folder, 'signature'), await signer.sign(model))
  writeFileSync(join(folder, 'key.pem'), signer.publicKey.export({ type: 'spki', format: 'pem' }))
  const run = () =>
    spawnSync('openssl', ['dgst', '-sha256', '-verify', 'key.pem', '-signature', 'signature', 'model'], { cwd: folder, encoding: 'utf8' })
  expect(run()).toMatchObject({ status: 0, stdout: 'Verified OK\n' })
  model[5]! ^= 1
  writeFileSync(join(folder, 'model'), model)
  expect(run().status).toBe(1)
})
