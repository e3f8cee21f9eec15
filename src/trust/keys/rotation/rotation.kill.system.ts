import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, it } from 'vitest'
import { openObject, readHeaderSlots, removeUnfinished, sealObject } from '#foundation/crypto'
import { ADULT, seeded, USE } from '../keys.fixtures.ts'
import { openHouseOnDisk } from './house-on-disk.fixture.ts'

const CHILD = fileURLToPath(new URL('rotate-until-killed.child.fixtures.ts', import.meta.url))
const OBJECTS = 600
const KILLS = 3
/** What the processes are compiled to: much of the processor time of a short life. */
const compiled = mkdtempSync(join(tmpdir(), 'redoubt-rotation-compiled-'))
afterAll(() => rmSync(compiled, { recursive: true, force: true }))

describe('a rotation in processes that are killed (SIGKILL)', () => {
  for (const compromised of [false, true])
    it(`goes on with each new process and loses nothing, ${compromised ? 'sealing anew' : 'moving headers'} (A1, A5)`, async () => {
      const seed = compromised ? 2_027 : 2_026
      const random = seeded(seed)
      const root = mkdtempSync(join(tmpdir(), 'redoubt-rotation-'))
      try {
        const before = await openHouseOnDisk(root, { objectsPerSecond: 1 })
        for (let i = 0; i < OBJECTS; i++) {
          const key = await before.keys.generateDataKey(ADULT, `object/${i}`, USE)
          await sealObject(before.objects, `${i}.rdbt`, key, Buffer.from(`content ${i}`))
        }
        await before.keys.rotate(ADULT, USE, { compromised })
        await before.close()

        const moved: number[] = []
        let done: { readonly error: unknown; readonly failed: number } | null = null
        for (let process = 0; done === null && process < 20; process++) {
          const child = spawn(globalThis.process.execPath, [CHILD, root], {
            stdio: ['ignore', 'pipe', 'inherit'],
            env: { ...globalThis.process.env, NODE_COMPILE_CACHE: compiled },
          })
          const ended = once(child, 'exit')
          const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
          expect((await lines.next()).value).toBe('moving')
          if (process < KILLS) {
            await wait(random() * 100)
            child.kill('SIGKILL')
          } else {
            const { value } = await lines.next()
            done = JSON.parse(String(value))
          }
          await ended
          const house = await openHouseOnDisk(root, { objectsPerSecond: 1 })
          removeUnfinished(house.objects, '')
          let count = 0
          for (let i = 0; i < OBJECTS; i++) {
            const object = await openObject(house.objects, `${i}.rdbt`, (wrapped) => house.keys.unwrap(wrapped, USE), {
              resource: `object/${i}`,
            })
            expect({ seed, process, i, content: Buffer.from(await object.readAll()).toString() }).toEqual({
              seed,
              process,
              i,
              content: `content ${i}`,
            })
            const { headers, torn } = readHeaderSlots(house.objects, `${i}.rdbt`)
            if (!torn && headers.every(({ keys }) => keys[0]!.version === 2)) count++
          }
          moved.push(count)
          await house.close()
        }
        expect(done).toMatchObject({ error: null, failed: 0 })
        expect(moved.at(-1)).toBe(OBJECTS)
        // Else nothing was killed in the middle.
        expect({ seed, moved, middle: moved.some((count) => count > 0 && count < OBJECTS) }).toMatchObject({ middle: true })
        expect(moved).toEqual(moved.toSorted((a, b) => a - b))
      } finally {
        rmSync(root, { recursive: true, force: true })
      }
    })
})
