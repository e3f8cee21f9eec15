/** Transforms on a disk that is full while they run: refused by its own code, nothing half-made, and they go on when there is space (A9, E5). */
import { execFileSync } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, readdirSync, rmSync, statfsSync, statSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { EVERY_ROW_WHOLE } from '#assets/datasets'
import type { RedoubtError } from '#foundation/core'
import { DEFINITION, OBJECTS, openRooms, type Rooms } from './rooms.fixtures.ts'
import { ADA } from './transforms.fixtures.ts'

const DISK_MIB = 16
const ROWS = 60_000

const root = mkdtempSync(join(tmpdir(), 'redoubt-transforms-disk-'))
const objects = join(root, OBJECTS)
const filler = join(objects, 'filler')
let rooms: Rooms
/** What the rows take that come out, sealed. */
let groupKib: number

beforeAll(async () => {
  execFileSync('mkdir', [objects])
  // Of its own, and of objects alone: what is on record stays writable, so that the code is that of the objects.
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK_MIB}m,mode=0700`, 'redoubt-transforms', objects])
  rooms = await openRooms(root)
  async function* visits(): AsyncGenerator<Uint8Array> {
    yield Buffer.from(`patient,age\n${Array.from({ length: ROWS }, (_, n) => `patient-${n},${n % 90}`).join('\n')}\n`)
  }
  await rooms.datasets.import(visits(), { name: 'visits', subject: 'patient', sensitivity: 'restricted', purposes: ['care'], legalBasis: 'contract', by: ADA }) // prettier-ignore
  const { id } = await rooms.run({ ...DEFINITION, to: { dataset: 'measured' } })
  const sizes = readdirSync(objects, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.includes(id) && path.includes('group'))
    .map((path) => statSync(join(objects, path)).size)
  groupKib = Math.ceil(sizes.reduce((sum, size) => sum + size, 0) / 1024)
})
afterAll(async () => {
  await rooms.close()
  execFileSync('umount', [objects])
  rmSync(root, { recursive: true, force: true })
})

/** Takes all space but so much. */
function fill(leftKib: number): void {
  const file = openSync(filler, 'w')
  try {
    const { bavail, bsize } = statfsSync(objects)
    const block = Buffer.alloc(bsize)
    for (let free = bavail - (leftKib * 1024) / bsize; free > 0; free--) writeSync(file, block)
  } finally {
    closeSync(file)
  }
}
const strays = (): readonly string[] => {
  const ids = rooms.datasets.list().map(({ id }) => id)
  const files = readdirSync(objects, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile() && entry.name !== 'filler')
  return files.map(({ name }) => name).filter((name) => !ids.some((id) => name.includes(id)))
}
const made = async (): Promise<number> => {
  let rows = 0
  const use = { principal: ADA, purpose: 'care', resource: { type: 'Dataset', id: 'made' } }
  for await (const group of rooms.datasets.read(rooms.datasets.get('made')!, use, EVERY_ROW_WHOLE)) rows += group.rows
  return rows
}

describe('a transform whose disk is full (A9, E5)', () => {
  it.each([
    ['no space', () => 0],
    ['space for half of its rows', () => groupKib / 2],
    ['space for its rows, and not for what finds people in them', () => groupKib + 64],
  ])('with %s is refused as such, and leaves nothing', { timeout: 60_000 }, async (_what, left) => {
    fill(left())
    try {
      const code = await rooms.run(DEFINITION).then(() => 'made', (thrown: RedoubtError) => thrown.code) // prettier-ignore
      expect(code).toBe('ERR_STORAGE_FULL')
      expect(rooms.datasets.get('made')).toBeNull()
      expect(strays()).toEqual([])
    } finally {
      rmSync(filler)
    }
  })

  it('is made when there is space again, whole', { timeout: 60_000 }, async () => {
    expect(await rooms.run(DEFINITION)).toMatchObject({ name: 'made', version: 1 })
    expect(await made()).toBe(Array.from({ length: ROWS }, (_, n) => n % 90).filter((age) => age >= 20).length)
    expect(strays()).toEqual([])
  })
})
