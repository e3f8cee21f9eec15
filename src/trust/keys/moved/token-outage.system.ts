import { execFileSync } from 'node:child_process'
import { readdirSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { afterAll, describe, expect, it } from 'vitest'
import { MemoryFolder } from '#foundation/storage'
import { systemClock } from '#foundation/core'
import { failure, MemoryAudit, newWorld, USE } from '../keys.fixtures.ts'
import { newSoftHsm } from '../pkcs11/softhsm.fixtures.ts'
import type { ProviderConfig } from '../provider-config.ts'
import { rotationOf, sealObjects } from './objects-of-the-house.fixtures.ts'

// SoftHSM is no HSM: it shows how a token that goes away and comes back is met, not that a key is safe.
const soft = newSoftHsm()
afterAll(() => soft.dispose())
const SEALED: ProviderConfig = { kind: 'sealed-file' }
const OBJECTS = 30
const BACK_MS = 15_000

const workers = (): readonly string[] =>
  execFileSync('pgrep', ['-P', String(process.pid), '-f', 'hsm-worker'], { encoding: 'utf8' })
    .trim()
    .split('\n')

describe('a token that is gone in the middle of a move (A4, A6)', () => {
  it.each([
    ['the former one', soft.config, SEALED],
    ['the new one', SEALED, soft.config],
  ] as const)('%s: the move stops and says so, the other one serves, and it goes on by itself', async (_name, from, to) => {
    const [world, objects] = [newWorld(), new MemoryFolder()]
    const clock = systemClock
    const before = await world.open({ provider: from, clock })
    const made = await sealObjects(before, objects, OBJECTS)
    before.close()
    const keyring = await world.open({ provider: to, moveFrom: from, clock })
    const keys = keyring.keys(new MemoryAudit())
    await keyring.finishMove(new MemoryAudit())
    const audit = new MemoryAudit()
    const away = join(soft.tokens, '../away')
    const [token] = readdirSync(soft.tokens)
    const rotation = rotationOf(keyring, objects, audit)
    const others = await keys.generateDataKey('configuration', 'others', USE)
    const use = (purpose: string) => ({ ...USE, purpose })
    const tokenIsFormer = from === soft.config
    try {
      // The first wrapped keys of the key database are moved; then the process that talks to the token is killed, and its token is gone.
      const record = audit.record.bind(audit)
      audit.record = async (event) => {
        if (audit.events.length === 0) {
          renameSync(join(soft.tokens, token!), away)
          for (const pid of workers()) process.kill(Number(pid), 'SIGKILL')
        }
        return record(event)
      }
      await rotation.run()
      expect(rotation.progress().error).toMatch(/^ERR_KEYS_PROVIDER_/)
      const failing = (await keys.providers()).filter(({ health }) => health?.ok === false).map(({ kind }) => kind)
      expect(failing).toEqual(['pkcs11'])
      if (tokenIsFormer) {
        expect((await keys.unwrap(others.wrapped, use('while it is gone'))).equals(others.key)).toBe(true)
        await keys.generateDataKey('configuration', 'next', USE)
      } else {
        expect(await failure(keys.generateDataKey('configuration', 'next', USE))).toMatch(/^ERR_KEYS_PROVIDER_/)
      }
      await rotation.run()
      expect(rotation.progress().error).toMatch(/^ERR_KEYS_PROVIDER_/)
    } finally {
      renameSync(away, join(soft.tokens, token!))
    }
    for (const back = Date.now(); ; await wait(100)) {
      await rotation.run()
      if (rotation.progress().error === null) break
      expect(Date.now() - back).toBeLessThan(BACK_MS)
    }
    expect(rotation.progress()).toMatchObject({ objects: { failed: 0 } })
    for (const { wrapped, key } of [...made, others]) expect((await keys.unwrap(wrapped, use('afterwards'))).equals(key)).toBe(true)
    if (tokenIsFormer) expect(rotation.progress().move).toMatchObject({ proved: true, left: [] })
    keyring.close()
  })
})
