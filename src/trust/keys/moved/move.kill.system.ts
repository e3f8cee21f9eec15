import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { AuditEvent } from '#foundation/core'
import { nodeFolder, subfolder } from '#foundation/storage'
import { awsKmsSchema } from '../aws-kms/config.ts'
import { FAKE_CREDENTIALS, FakeKms } from '../aws-kms/fake-kms.fixtures.ts'
import { seeded } from '../keys.fixtures.ts'
import { parseKeyRecords } from '../outside/key-records-file.ts'
import { KEY_RECORDS_PATH } from '../outside/key-records.ts'
import { transitSchema } from '../transit/config.ts'
import { FakeTransit } from '../transit/fake-transit.fixtures.ts'
import { openHouseOnTheMove, type Providers, readLines } from './house-on-the-move.fixtures.ts'
import { placeOf, readPlaces } from './provider-places.ts'

const CHILD = fileURLToPath(new URL('move-until-killed.child.fixtures.ts', import.meta.url))
const OBJECTS = 16
/** Each process is killed a random moment after the next such event is on record; the first while it opens both providers. */
const KILLED_AT = [
  'opening',
  'key.move',
  'key.rewrap',
  'key.rewrap',
  'key.retire',
  'key.move',
  'key.destroy',
  'key.destroy',
  'key.destroy',
  'key.move',
] as const
const MOST_LIVES = 60
const SECRETS = {
  REDOUBT_TEST_TOKEN: 'fake-token',
  REDOUBT_TEST_ID: FAKE_CREDENTIALS.accessKeyId,
  REDOUBT_TEST_SECRET: FAKE_CREDENTIALS.secretAccessKey,
}

let root: string
let bao: FakeTransit
let kms: FakeKms
beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'redoubt-move-'))
  for (const folder of ['keys', 'objects']) mkdirSync(join(root, folder))
  ;[bao, kms] = [await FakeTransit.start(), await FakeKms.start()]
  Object.assign(process.env, SECRETS)
})
afterAll(async () => {
  await bao.server.stop()
  await kms.server.stop()
  for (const name of Object.keys(SECRETS)) delete process.env[name]
  rmSync(root, { recursive: true, force: true })
})

function configs() {
  const credentials = { accessKeyId: 'env:REDOUBT_TEST_ID', secretAccessKey: 'env:REDOUBT_TEST_SECRET' }
  return {
    transit: transitSchema.parse({ kind: 'transit', url: bao.server.origin, ca: bao.server.caFile, token: 'env:REDOUBT_TEST_TOKEN' }),
    'aws-kms': awsKmsSchema.parse({
      kind: 'aws-kms',
      region: 'eu-central-1',
      endpoint: kms.server.origin,
      ca: kms.server.caFile,
      credentials,
    }),
  }
}
type Kind = keyof ReturnType<typeof configs>

/** What the records of a provider name at its service, and is not destroyed. */
function livingAt(kind: Kind): readonly string[] {
  const folder = nodeFolder(join(root, 'keys'))
  const bytes = subfolder(folder, placeOf(readPlaces(folder)!, kind)).read(KEY_RECORDS_PATH)!
  return parseKeyRecords(bytes).encryption.flatMap(({ state, reference }) => (state === 'destroyed' ? [] : [reference]))
}

/** Whether the service, asked past the server, still has the material of a version. */
function opensAt(kind: Kind, reference: string): boolean {
  if (kind === 'aws-kms') return kms.keys.get(reference)?.state === 'Enabled'
  const [, name, version] = /^(.+):v(\d+)$/.exec(reference)!
  return (bao.keys.get(name!)?.versions[Number(version) - 1] ?? null) !== null
}

interface Life {
  readonly killed: boolean
  /** What the process said at its end. */
  readonly done: { readonly error: string | null; readonly move: unknown; readonly failed: number } | null
}

interface KillAt {
  readonly event: (typeof KILLED_AT)[number]
  readonly ms: number
}

/** A life of a process, killed so many milliseconds after an event, unless that is null or its end comes first. */
async function live(providers: Providers, run: number, killAt: KillAt | null): Promise<Life> {
  const child = spawn(process.execPath, [CHILD, root, JSON.stringify(providers), String(run)], { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>
  let done: Life['done'] = null
  const kill = (): void => void wait(killAt!.ms).then(() => child.kill('SIGKILL'))
  if (killAt?.event === 'opening') kill()
  for await (const line of createInterface({ input: child.stdout })) {
    if (line.startsWith('done ')) done = JSON.parse(line.slice(5)) as NonNullable<Life['done']>
    else if (line === killAt?.event) kill()
  }
  const [, signal] = await ended
  return { killed: signal === 'SIGKILL', done }
}

const eventsOnRecord = (): readonly AuditEvent[] => readLines(join(root, 'audit')) as readonly AuditEvent[]

describe('a move in processes that are killed (SIGKILL)', () => {
  it('goes on with each new process until it ends, there and back: nothing is lost, each former version is destroyed once (A4, A6)', async () => {
    const seed = Number(process.env['REDOUBT_SEED'] ?? 4_711)
    const random = seeded(seed)
    const kinds = configs()
    const before = await openHouseOnTheMove(root, { provider: kinds.transit })
    for (let i = 0; i < OBJECTS; i++) await before.make(`before-${i}`)
    await before.close()

    let run = 0
    let kills = 0
    let [from, to]: [Kind, Kind] = ['transit', 'aws-kms']
    for (; kills < KILLED_AT.length; [from, to] = [to, from]) {
      const providers = { provider: kinds[to], moveFrom: kinds[from] }
      const former = livingAt(from)
      const earlier = eventsOnRecord().length
      const destroyed = kms.asked.filter((operation) => operation === 'ScheduleKeyDeletion').length
      let done: Life['done'] = null
      for (let lives = 0; done === null; lives++, run++) {
        expect({ seed, from, lives }, 'the move does not come forward').toEqual({ seed, from, lives: Math.min(lives, MOST_LIVES) })
        const event = KILLED_AT[kills]
        const ms = random() * (event === 'opening' ? 400 : 5)
        const life = await live(providers, run, event === undefined ? null : { event, ms })
        done = life.done
        if (!life.killed) continue
        kills++
        // Opening it here would begin the move in its place.
        if (event === 'opening') continue
        const between = await openHouseOnTheMove(root, providers)
        await between.expectWhole()
        await between.close()
      }
      expect({ seed, from, done }).toEqual({ seed, from, done: { error: null, move: null, failed: 0 } })

      // What was left needs the former provider no more, and that has nothing any more.
      expect({ seed, from, left: former.filter((reference) => opensAt(from, reference)) }).toEqual({ seed, from, left: [] })
      expect(livingAt(to).filter((reference) => !opensAt(to, reference))).toEqual([])
      if (from === 'aws-kms')
        expect(kms.asked.filter((operation) => operation === 'ScheduleKeyDeletion').length - destroyed).toBe(former.length)
      const events = eventsOnRecord().slice(earlier)
      const at = (phase: string): number => events.findIndex(({ type, details }) => type === 'key.move' && details?.['phase'] === phase)
      expect(at('begun')).toBeGreaterThanOrEqual(0)
      expect(at('proved')).toBeGreaterThan(at('begun'))
      expect(at('ended')).toBeGreaterThan(at('proved'))
      // On record before it was done, and not before nothing named it.
      const of = (type: string): number[] => events.flatMap((event, i) => (event.type === type ? [i] : []))
      expect(of('key.retire').length).toBeGreaterThanOrEqual(former.length)
      expect(Math.min(...of('key.destroy'))).toBeGreaterThan(Math.min(...of('key.retire')))
      const alone = await openHouseOnTheMove(root, { provider: kinds[to] })
      expect(await alone.expectWhole()).toBeGreaterThan(OBJECTS)
      await alone.close()
    }
  })
})
