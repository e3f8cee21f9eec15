import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { RedoubtError } from '#foundation/core'
import { type Fault, MemoryFolder } from '#foundation/storage'
import { visits, World } from './collections.fixtures.ts'
import { MAKER, USE, type Visit, VISITS, visit } from './visits.fixtures.ts'
import { decodeBatches, HEADER_BYTES } from './segment-codec.ts'
import { FOLDER } from './segment-files.ts'

const RUNS = 60
const SEED = Number(process.env['REDOUBT_TEST_SEED'] ?? 20_261_128)

function seeded(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

async function world(objects?: MemoryFolder): Promise<World> {
  const made = new World(objects)
  await made.collections.create(VISITS)
  return made
}
const cut = (of: World) => of.collections.cut('visits', { by: MAKER })
const code = async (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'accepted',
    (thrown: RedoubtError) => thrown.code,
  )
function files(of: World): readonly string[] {
  return of.objects.list(FOLDER).map((name) => `${FOLDER}/${name}`)
}
function overwrite(of: World, path: string, change: (bytes: Buffer) => Uint8Array): void {
  const bytes = change(Buffer.from(of.objects.read(path)!))
  const file = of.objects.open(path)!
  file.truncate(0)
  file.writeAt(bytes, 0)
  file.datasync()
}

describe('what was collected', () => {
  it('is the same rows however they are split into batches, over restarts and versions (A9)', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 700 }), { minLength: 1, maxLength: 12 }),
        fc.array(fc.constantFrom('cut', 'restart', 'nothing'), { maxLength: 12 }),
        async (sizes, between) => {
          const one = await world()
          let sent = 0
          for (const [i, size] of sizes.entries()) {
            await one.append(visits(size, sent), `batch-${i}`)
            sent += size
            if (between[i] === 'restart') one.start()
            if (between[i] === 'cut') await cut(one)
          }
          await code(cut(one))
          expect(await one.rows()).toEqual(visits(sent))
        },
      ),
      { numRuns: 12, seed: SEED },
    )
  })

  it(`survives power cuts and failing storage: what was acknowledged is there once, what was refused is not (seed ${SEED}, A9)`, async () => {
    for (let run = 0; run < RUNS; run++) {
      const random = seeded(SEED + run)
      let failing = false
      const fault = (): Fault => {
        if (!failing || random() >= 0.12) return 'none'
        return (['lost', 'done-but-reported-lost', 'disk-full'] as const)[Math.floor(random() * 3)]!
      }
      const one = await world(new MemoryFolder({ fault }))
      const acknowledged = new Set<string>()
      const unsure = new Set<string>()
      const refused = new Set<string>()
      /** Refused, and cut off before something else was taken. */
      const gone = new Set<string>()
      let n = 0
      const sendSome = async (): Promise<void> => {
        const before = [...refused]
        const taken = acknowledged.size
        const batches = Array.from({ length: 1 + Math.floor(random() * 4) }, () => visits(1 + Math.floor(random() * 5), (n += 5)))
        await Promise.all(
          batches.map((batch) =>
            one.append(batch, `batch-${batch[0]!.patient}`).then(
              () => batch.forEach(({ patient }) => acknowledged.add(patient)),
              () => batch.forEach(({ patient }) => refused.add(patient)),
            ),
          ),
        )
        if (acknowledged.size > taken) for (const patient of before) if (refused.delete(patient)) gone.add(patient)
      }
      for (let step = 0; step < 12; step++) {
        failing = run % 2 === 1
        const choice = random()
        if (choice < 0.6) await sendSome()
        else if (choice < 0.75) await code(cut(one))
        else {
          // What was refused just before may be there: nobody was told that it is, and whoever sends it again does not double it.
          failing = false
          one.objects = one.objects.powerCut(random, { fault })
          for (const patient of refused) unsure.add(patient)
          refused.clear()
          one.start()
        }
      }
      failing = false
      one.objects = one.objects.powerCut(random, { fault })
      for (const patient of refused) unsure.add(patient)
      one.start()
      await one.append([visit(1_000_000)])
      await cut(one)
      const found = (await one.rows()).map(({ patient }) => patient)
      expect(new Set(found).size, `run ${run}: a row is there twice`).toBe(found.length)
      for (const patient of gone) expect(found, `run ${run}: refused, and there`).not.toContain(patient)
      for (const patient of acknowledged) expect(found, `run ${run}: lost`).toContain(patient)
      for (const patient of found)
        if (!acknowledged.has(patient) && patient !== 'patient-1000000') expect(unsure, `run ${run}: from nowhere`).toContain(patient)
    }
  })

  it('is not there when it was refused, and is added once when it is sent again', async () => {
    let fault: Fault = 'none'
    const one = await world(new MemoryFolder({ fault: (call, path) => (call === 'datasync' && path.startsWith(FOLDER) ? fault : 'none') }))
    await one.append(visits(2), 'first')
    for (fault of ['lost', 'done-but-reported-lost', 'disk-full'] as const) expect(await code(one.append(visits(2, 2), 'second'))).toMatch(/^ERR_STORAGE_/) // prettier-ignore
    expect(one.events.filter(({ type, outcome }) => type === 'data.append' && outcome === 'failed')).not.toEqual([])
    fault = 'none'
    expect((await one.append(visits(2, 2), 'second')).known).toBe(false)
    one.start()
    await one.append(visits(1, 4))
    await cut(one)
    expect(await one.rows()).toEqual(visits(5))
  })

  it('is in a version once when the commit of that version was reported lost', async () => {
    const one = await world()
    await one.append(visits(3))
    const exec = one.database.raw.exec.bind(one.database.raw)
    let commits = 0
    one.database.raw.exec = (sql: string) => {
      exec(sql)
      if (sql === 'COMMIT' && commits++ === 0) throw new Error('reported lost')
    }
    expect(await cut(one)).toMatchObject({ version: 1, rows: 3 })
    one.database.raw.exec = exec
    await one.append(visits(1, 3))
    await cut(one)
    expect(await one.rows()).toEqual(visits(4))
  })

  it('lies on disk sealed, from the first byte to the version (A1, A9)', async () => {
    // Everything that is ever written, what is written over or removed too.
    const written: Buffer[] = []
    const objects = new MemoryFolder()
    const open = objects.open.bind(objects)
    objects.open = (path, options) => {
      const file = open(path, options)
      return file && { ...file, writeAt: (bytes, position) => (written.push(Buffer.concat([bytes].flat())), file.writeAt(bytes, position)) }
    }
    const one = await world(objects)
    const canaries: Visit[] = [{ patient: 'canary-of-the-collection', age: 80_978_097, weight: 0.123456789 }]
    await one.append(canaries, 'canary-key')
    one.start()
    await one.append(visits(10))
    await cut(one)
    const all = Buffer.concat(written)
    expect(all.byteLength).toBeGreaterThan(HEADER_BYTES)
    const number = Buffer.from(Float64Array.of(80_978_097).buffer)
    for (const canary of ['canary-of-the-collection', 'canary-key', '80978097', 'patient-3', number])
      expect(all.includes(canary)).toBe(false)
    expect(one.database.raw.prepare('SELECT * FROM collected_batches').all()).toHaveLength(1)
    expect(JSON.stringify(one.database.raw.prepare('SELECT * FROM collected_batches').all())).not.toContain('canary')
    expect((await one.rows())[0]).toEqual(canaries[0])
  })
})

describe('a segment', () => {
  const three = async (): Promise<{ readonly one: World; readonly path: string; readonly size: number }> => {
    const one = await world()
    for (let n = 0; n < 3; n++) await one.append(visits(2, 2 * n))
    const [path] = files(one)
    return { one, path: path!, size: one.objects.read(path!)!.byteLength }
  }

  it('with any bit turned is refused, but for the last commit, which nobody can tell from a torn one (A1)', async () => {
    const { one, path, size } = await three()
    const whole = Buffer.from(one.objects.read(path)!)
    const last = whole.lastIndexOf('RCF1')
    const random = seeded(SEED)
    for (let i = 0; i < 400; i++) {
      const at = i < 40 ? last + (i % 40) : Math.floor(random() * size)
      overwrite(one, path, () => {
        const bytes = Buffer.from(whole)
        bytes[at]! ^= 1 << Math.floor(random() * 8)
        return bytes
      })
      one.start()
      const found = await one.collections.pending('visits', USE).then(({ rows }) => rows, (thrown: RedoubtError) => thrown.code) // prettier-ignore
      if (at >= last) expect(found, `byte ${at}`).toBe(4)
      else expect(found, `byte ${at}`).toBe('ERR_STORAGE_CORRUPT')
    }
  })

  it.each([
    ['its first frame left out', (bytes: Buffer) => Buffer.concat([bytes.subarray(0, HEADER_BYTES), bytes.subarray(bytes.indexOf('RCF1', HEADER_BYTES + 1))])], // prettier-ignore
    ['a frame twice', (bytes: Buffer) => Buffer.concat([bytes, bytes.subarray(bytes.lastIndexOf('RCF1'))])],
    ['no header', (bytes: Buffer) => Buffer.concat([Buffer.alloc(HEADER_BYTES), bytes.subarray(HEADER_BYTES)])],
  ])('with %s is refused', async (_what, change) => {
    const { one, path } = await three()
    overwrite(one, path, change)
    one.start()
    expect(await code(one.append(visits(1)))).toBe('ERR_STORAGE_CORRUPT')
    expect(await code(cut(one))).toBe('ERR_STORAGE_CORRUPT')
  })

  it('that is damaged while the server runs makes no version, and no other collection is held up', async () => {
    const { one, path } = await three()
    await one.collections.create({ ...VISITS, name: 'others' })
    one.start()
    expect((await one.collections.pending('visits', USE)).rows).toBe(6)
    overwrite(one, path, (bytes) => bytes.subarray(0, bytes.lastIndexOf('RCF1')))
    expect(await code(cut(one))).toBe('ERR_STORAGE_CORRUPT')
    expect(one.datasets.list()).toEqual([])
    expect((await one.collections.pending('others', USE)).rows).toBe(0)
  })

  it('whose end was reached cleanly cannot lose its last commit unseen', async () => {
    const { one, path } = await three()
    await one.collections.end()
    overwrite(one, path, (bytes) => {
      const end = bytes.lastIndexOf('RCF1')
      const last = bytes.lastIndexOf('RCF1', end - 1)
      return Buffer.concat([bytes.subarray(0, last), bytes.subarray(end)])
    })
    one.start()
    expect(await code(one.collections.pending('visits', USE))).toBe('ERR_STORAGE_CORRUPT')
  })

  it('that is gone, or another one, is refused', async () => {
    const one = await world()
    await one.append(visits(1))
    await one.collections.end()
    one.start()
    await one.append(visits(1, 1))
    await one.collections.end()
    const [first, second] = files(one)
    const bytes = Buffer.from(one.objects.read(second!)!)
    overwrite(one, first!, () => bytes)
    one.start()
    expect(await code(one.collections.pending('visits', USE))).toBe('ERR_STORAGE_CORRUPT')
    one.objects.remove(first!)
    one.start()
    expect(await code(one.collections.pending('visits', USE))).toBe('ERR_STORAGE_CORRUPT')
  })

  it('decodes batches or refuses them, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        try {
          decodeBatches(bytes)
        } catch (thrown) {
          if (!(thrown instanceof RedoubtError) || thrown.code !== 'ERR_STORAGE_CORRUPT') throw thrown
        }
      }),
      { numRuns: 1_000, seed: SEED },
    )
  })
})
