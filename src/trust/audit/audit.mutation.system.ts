import { sign } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { MemoryFolder } from '#foundation/storage'
import { openTestLog, seededRandom, TEST_ORIGIN, testEvent, testKey, testSigner } from './audit-testing.ts'
import { checkpointText, logVerifierKey } from './checkpoint.ts'
import { parseBodyBundle, parseEntryBundle } from './entry-bundle.ts'
import { Frontier } from './frontier.ts'
import { leafHash } from './merkle-hash.ts'
import { formatVerifierKey, signatureLine } from './signed-note.ts'
import { tilePath, widthAt } from './tile-paths.ts'
import { verifyLog } from './verify-log.ts'
import { startWitness } from './witness.ts'
import { witnessSink } from './checkpoint-sinks.ts'
import { ManualClock } from '#foundation/core'

const MUTATIONS = 1_500
const SEED = Number(process.env['REDOUBT_SEED'] ?? Date.now() % 1_000_000)
const WITNESSED = 600
const SIZE = 700

type Files = Map<string, Uint8Array>
interface Entry {
  readonly entry: Uint8Array
  readonly body: Uint8Array | null
}

const signer = testSigner()
const key = logVerifierKey(TEST_ORIGIN, signer)
const verifierKey = formatVerifierKey(key)

/** What an administrator with the log key can do: write a whole new log over any entries, well-formed and signed. */
function forge(entries: readonly Entry[]): Files {
  const frontier = Frontier.restore(0, { peak: () => new Uint8Array(), partial: () => new Uint8Array(), last: () => [] })
  for (const { entry, body } of entries) frontier.add(entry, body, leafHash(entry))
  const files: Files = new Map([...frontier.pending(Infinity).files, ...frontier.partials(0)].map(({ path, bytes }) => [path, bytes]))
  const text = checkpointText(TEST_ORIGIN, frontier.size, frontier.root())
  const signature = sign(null, Buffer.from(text), testKey('log').privateKey)
  files.set('checkpoint', Buffer.from(`${text}\n${signatureLine(key.name, key.keyId, signature)}`))
  return files
}

function readEntries(files: Files, size: number): Entry[] {
  const entries: Entry[] = []
  for (let index = 0; index * 256 < size; index++) {
    const width = widthAt('entries', index, size)
    const bodies = files.get(tilePath({ kind: 'bodies', index, width }))
    const parsed = bodies && parseBodyBundle(bodies, width)
    parseEntryBundle(files.get(tilePath({ kind: 'entries', index, width }))!, width)!.forEach((entry, row) => {
      const body = parsed?.[row]
      entries.push({ entry, body: body?.byteLength ? body : null })
    })
  }
  return entries
}

describe(`an administrator with disk and log key (seed ${SEED})`, () => {
  it(`is found in each of ${MUTATIONS} edits, drops, reorders, truncations and rollbacks (E5)`, async () => {
    const random = seededRandom(SEED)
    const pick = (below: number): number => Math.floor(random() * below)
    const folder = new MemoryFolder()
    const witnessKey = testKey('witness')
    const witness = await startWitness({
      folder: new MemoryFolder(),
      name: 'witness.test/w',
      keys: [witnessKey],
      logs: [verifierKey],
      clock: new ManualClock(1_760_000_000_000),
    })
    const sink = witnessSink({ url: witness.url, verifierKeys: witness.verifierKeys })
    const log = await openTestLog({ folder, segmentBytes: 1_048_576, outside: [sink] })
    const record = (i: number): Promise<unknown> =>
      log.record(testEvent({ requestId: `req_${i}`, ...(i % 3 === 0 ? { personal: [{ subject: `s${i % 9}`, fields: { i } }] } : {}) }))
    const older = new Map<string, Uint8Array>()
    const paths = (size: number): string[] => {
      const names = ['checkpoint']
      for (const kind of ['entries', 'bodies', 0, 1] as const)
        for (let index = 0; widthAt(kind, index, size) > 0; index++)
          names.push(tilePath({ kind, index, width: widthAt(kind, index, size) }))
      return names.filter((path) => folder.exists(path))
    }
    for (let i = 0; i < 300; i++) await record(i)
    await log.publish()
    for (const path of paths(300)) older.set(path, folder.read(path)!)
    for (let i = 300; i < WITNESSED; i++) await record(i)
    await log.publish()
    const { proof } = await log.prove(WITNESSED - 1)
    const witnessed = proof.slice(proof.indexOf('\n\n') + 2)
    for (let i = WITNESSED; i < SIZE; i++) await record(i)
    await log.publish()
    await log.prove(SIZE - 1)
    const original: Files = new Map(paths(SIZE).map((path) => [path, folder.read(path)!]))
    await log.close()
    await witness.close()

    const verify = (files: Files): ReturnType<typeof verifyLog> =>
      verifyLog({
        read: (path) => files.get(path) ?? null,
        verifierKey,
        olderCheckpoint: witnessed,
        witnesses: witness.verifierKeys,
        bodies: 'required',
      })
    const clean = await verify(original)
    expect(clean.findings).toEqual([])
    expect(clean.checked).toMatchObject({ entries: SIZE, bodiesMissing: 0 })
    expect((await verify(forge(readEntries(original, SIZE)))).findings).toEqual([])

    const names = [...original.keys()]
    const entries = readEntries(original, SIZE)
    const flip = (bytes: Uint8Array): Uint8Array => {
      const copy = Buffer.from(bytes)
      copy[pick(copy.byteLength)]! ^= 1 + pick(255)
      return copy
    }
    /** Each returns the changed folder; what comes before the witnessed checkpoint is changed by the key holder too. */
    const mutations: Readonly<Record<string, () => Files>> = {
      'edit of a file': () => {
        const path = names[pick(names.length)]!
        return new Map(original).set(path, flip(original.get(path)!))
      },
      'drop of a file': () => {
        const files = new Map(original)
        files.delete(names[pick(names.length)]!)
        return files
      },
      'truncation of a file': () => {
        const path = names[pick(names.length)]!
        const bytes = original.get(path)!
        return new Map(original).set(path, bytes.subarray(0, pick(bytes.byteLength)))
      },
      'growth of a file': () => {
        const path = names[pick(names.length)]!
        return new Map(original).set(path, Buffer.concat([original.get(path)!, Buffer.of(pick(256))]))
      },
      'swap of two files': () => {
        const kind = names.filter((path) => /^tile\/entries|^bodies|^tile\/0/.test(path))
        const a = kind[pick(kind.length)]!
        const b = kind.filter((path) => path !== a)[pick(kind.length - 1)]!
        return new Map(original).set(a, original.get(b)!).set(b, original.get(a)!)
      },
      'rollback of the folder': () => new Map(older),
      'rollback of one file': () => {
        const shared = [...older.keys()].filter((path) => original.has(path) && !Buffer.from(older.get(path)!).equals(original.get(path)!))
        const path = shared[pick(shared.length)]!
        return new Map(original).set(path, older.get(path)!)
      },
      're-signed edit of an entry': () => {
        const at = pick(WITNESSED)
        return forge(entries.map((each, i) => (i === at ? { ...each, entry: flip(each.entry) } : each)))
      },
      're-signed drop of an entry': () => {
        const at = pick(WITNESSED)
        return forge(entries.filter((_, i) => i !== at))
      },
      're-signed insertion of an entry': () => forge(entries.toSpliced(pick(WITNESSED), 0, { entry: Buffer.from('{}'), body: null })),
      're-signed reorder of two entries': () => {
        const a = pick(WITNESSED - 1)
        const b = a + 1 + pick(WITNESSED - a - 1)
        return forge(entries.with(a, entries[b]!).with(b, entries[a]!))
      },
      're-signed truncation': () => forge(entries.slice(0, pick(WITNESSED))),
      're-signed drop of a body': () => {
        const having = entries.flatMap(({ body }, i) => (body ? [i] : []))
        return forge(entries.with(having[pick(having.length)]!, { ...entries[having[0]!]!, body: null }))
      },
      're-signed edit of a body': () => {
        const having = entries.flatMap(({ body }, i) => (body ? [i] : []))
        const at = having[pick(having.length)]!
        return forge(entries.with(at, { entry: entries[at]!.entry, body: flip(entries[at]!.body!) }))
      },
    }
    const kinds = Object.keys(mutations)
    const missed: string[] = []
    const done = new Map<string, number>()
    for (let i = 0; i < MUTATIONS; i++) {
      const kind = kinds[i % kinds.length]!
      const verdict = await verify(mutations[kind]!())
      done.set(kind, (done.get(kind) ?? 0) + 1)
      if (verdict.ok) missed.push(`${i}: ${kind}`)
    }
    console.log(JSON.stringify({ seed: SEED, mutations: MUTATIONS, missed: missed.length, ...Object.fromEntries(done) }))
    expect(missed).toEqual([])
  })
})
