import {
  asRedoubtError,
  type AuditReceipt,
  type AuditSink,
  type Clock,
  type JsonObject,
  RedoubtError,
  type SubjectSealer,
  type Ground,
  GROUNDS,
} from '#foundation/core'
import { type Database, migrate } from '#foundation/storage'
import { Statements } from '#governance/approvals'
import type { Keys, KeyUse } from '#trust/keys'
import { signCertificate } from './certificate.ts'
import type { ErasableData, ErasedRows, Erasure } from './erasure.ts'
import type { Holds } from './holds.ts'
import { Journal, type JournalEntry, type NewErasure, newErasureId } from './journal.ts'
import { APPLIED_MIGRATIONS } from './tables.ts'

export interface ErasuresOptions {
  /** The journal's: of the key store. */
  readonly statements: Statements
  /** Of the data: which erasures they know of. */
  readonly database: Pick<Database, 'raw'>
  readonly holds: Holds
  readonly keys: Pick<Keys, 'destroySubject' | 'signer'>
  readonly sealer: Pick<SubjectSealer, 'pseudonym'>
  readonly data: ErasableData
  readonly audit: AuditSink
  readonly clock: Clock
}

export interface EraseAsk {
  readonly subject: string
  /** Of this data set alone: the person's own key stays. */
  readonly dataset?: string
  readonly ground: Ground
  /** Data set and rows looked at. */
  readonly progress?: (dataset: string, rows: number) => void
  /** Stops it between steps; what was begun is finished by the next call or start. */
  readonly signal?: AbortSignal
}

/** Ends what is to be ended, with evidence. Who may is decided by the caller. */
export interface Erasures {
  /**
   * Erases a person: destroys their key, and takes their rows out of every data set. What is left of it everywhere is the tombstone.
   * @throws {RedoubtError} `ERR_LEGAL_HOLD` before anything was destroyed; what keys, storage and the log throw: then it was begun, and
   *   the same call, or the next start, finishes it.
   */
  eraseSubject(ask: EraseAsk, use: KeyUse): Promise<Erasure>
  /** Destroys a data set with all its versions, and its keys. @throws {RedoubtError} `ERR_DATA_UNKNOWN`, and as `eraseSubject`. */
  shred(dataset: string, ground: Ground, use: KeyUse): Promise<Erasure>
  /** Newest first. */
  list(): readonly Erasure[]
  /** @returns the signed certificate of one that is done. @throws {RedoubtError} `ERR_NOT_FOUND`. */
  certificate(id: string): string
  /** PEM of the key that signs certificates. */
  certificateKey(): Promise<string>
  /**
   * Finishes what was interrupted, and applies again what data from an older backup do not know of. To be awaited before data are served.
   * @returns how many; one that a legal hold forbids now waits for the next start after its end.
   */
  resume(): Promise<number>
}

const SELF = { type: 'System', id: 'erasure' } as const
/** Times that data sets are looked for again which were made while others were erased: far more than there are chains of transforms. */
const MAX_ROUNDS = 32
const ITSELF: KeyUse = { principal: SELF, purpose: 'erasure', resource: SELF }

export function openErasures({ statements, database, holds, keys, sealer, data, audit, clock }: ErasuresOptions): Erasures {
  migrate(database, 'governance/erasure', APPLIED_MIGRATIONS)
  const journal = new Journal(statements, clock)
  const applied = new Statements(database)
  let last: Promise<unknown> = Promise.resolve()
  const serialise = <T>(work: () => Promise<T>): Promise<T> => {
    const next = last.then(work, work)
    last = next.catch(() => undefined)
    return next
  }
  const record = (
    type: string,
    entry: JournalEntry | (NewErasure & { readonly id: string }),
    use: KeyUse,
    more: JsonObject = {},
  ): Promise<AuditReceipt> =>
    audit.record({
      type,
      actor: use.principal,
      action: 'erase',
      resource: use.resource,
      outcome: 'success',
      purpose: use.purpose,
      details: {
        erasure: entry.id,
        kind: entry.kind,
        pseudonym: entry.pseudonym,
        datasets: [...entry.datasets],
        ground: entry.ground,
        article: GROUNDS[entry.ground],
        ...more,
      },
      ...(use.requestId === undefined ? {} : { requestId: use.requestId }),
    })

  const begin = async (ask: NewErasure, use: KeyUse): Promise<JournalEntry> => {
    const id = newErasureId()
    await record('erasure.begin', { id, ...ask }, use)
    return journal.begin(id, ask)
  }

  /** Every step may be done again. */
  const carryOut = async (begun: JournalEntry, use: KeyUse, ask: Pick<EraseAsk, 'progress' | 'signal'> = {}): Promise<JournalEntry> => {
    let entry = begun
    const { id, pseudonym } = entry
    let versions: readonly ErasedRows[] = []
    let objects = 0
    if (pseudonym === null)
      for (const name of entry.datasets) {
        const shredded = await data.shred(name, id, use)
        objects += shredded.objects
        if (shredded.keys.length > 0) entry = journal.keysDestroyed(id, shredded.keys)
        await data.relearn(name, use)
      }
    else {
      if (entry.destroysKey) {
        holds.demandNone({ pseudonym })
        const { fingerprints } = await keys.destroySubject({ pseudonym }, use)
        if (fingerprints.length > 0) entry = journal.keysDestroyed(id, fingerprints)
      }
      const erased = new Map<string, readonly ErasedRows[]>()
      for (let round = 0, due = entry.datasets; round === 0 || due.length > 0; round++) {
        if (round === MAX_ROUNDS)
          throw new RedoubtError('ERR_CONFLICT', 'data sets with rows of this person were made faster than they were erased; ask again')
        for (const name of due) erased.set(name, await eraseFrom(name, { pseudonym, erasure: id }, use, ask))
        if (!entry.destroysKey) break
        // What was made meanwhile of rows that were still there. Nothing is made of rows that are gone (`Datasets.commit`), so this ends.
        due = await data.withRowsOf(pseudonym, use)
        const datasets = [...new Set([...entry.datasets, ...due])]
        if (datasets.length > entry.datasets.length) entry = entry.doneAt === null ? journal.found(id, datasets) : { ...entry, datasets }
      }
      versions = [...erased.values()].flat()
      // Groups, and with them index and manifest.
      objects = versions.reduce((sum, { groups }) => sum + groups + 2, 0)
    }
    applied.run('INSERT OR IGNORE INTO applied_erasures VALUES (?, ?)', id, clock.now())
    if (entry.doneAt !== null) return entry
    return finish(entry, use, versions, objects)
  }

  const eraseFrom = async (
    name: string,
    rows: { readonly pseudonym: string; readonly erasure: string },
    use: KeyUse,
    { progress, signal }: Pick<EraseAsk, 'progress' | 'signal'>,
  ): Promise<readonly ErasedRows[]> => {
    const told = { ...(progress ? { progress: (count: number) => progress(name, count) } : {}), ...(signal ? { signal } : {}) }
    const erased = await data.eraseSubject(name, { ...rows, ...told }, use)
    if (erased.length > 0) await data.relearn(name, use)
    return erased
  }

  const finish = async (entry: JournalEntry, use: KeyUse, versions: readonly ErasedRows[], objects: number): Promise<JournalEntry> => {
    const { id, kind, pseudonym, datasets, ground, by, begunAt, fingerprints } = entry
    const rows = versions.reduce((sum, one) => sum + one.rows, 0)
    const facts = { objects, erasedRows: rows, versions: versions.length, keys: [...fingerprints], by: `${by.type}::${by.id}`, begunAt }
    const { index, leafHash } = await record('erasure.done', entry, use, facts)
    const doneAt = clock.now()
    const log = { index, leafHash }
    const certificate = await signCertificate(
      {
        erasure: id,
        kind,
        pseudonym,
        datasets: [...datasets],
        ground,
        by: { type: by.type, id: by.id },
        begunAt,
        doneAt,
        versions: versions.map((one) => ({ ...one })),
        objects,
        keys: [...fingerprints],
        log,
      },
      await keys.signer('model-signing', use),
    )
    return journal.finish(id, { doneAt, versions, objects, certificate })
  }

  return {
    eraseSubject: (ask, use) =>
      serialise(async () => {
        const pseudonym = sealer.pseudonym(ask.subject)
        const datasets = ask.dataset === undefined ? await data.withRowsOf(pseudonym, use) : [ask.dataset]
        // All of it is asked before any of it is destroyed.
        holds.demandNone({ pseudonym })
        for (const dataset of datasets) holds.demandNone({ dataset, madeOf: data.madeOf(dataset) })
        ask.signal?.throwIfAborted()
        const destroysKey = ask.dataset === undefined
        const by = { type: use.principal.type, id: use.principal.id }
        const open = journal.list().find((one) => one.doneAt === null && one.pseudonym === pseudonym && one.destroysKey === destroysKey)
        // What an earlier call began is the same erasure, where it is of the same data sets.
        const same =
          open !== undefined && (destroysKey || open.datasets[0] === ask.dataset) && datasets.every((name) => open.datasets.includes(name))
        const entry = same
          ? open
          : await begin({ kind: 'subject', pseudonym, datasets, ground: ask.ground, by, purpose: use.purpose, destroysKey }, use)
        return shown(await carryOut(entry, use, ask))
      }),
    shred: (dataset, ground, use) =>
      serialise(async () => {
        const open = journal.list().find((one) => one.doneAt === null && one.kind === 'dataset' && one.datasets[0] === dataset)
        if (open === undefined && !data.names().includes(dataset))
          throw new RedoubtError('ERR_DATA_UNKNOWN', `there is no data set \`${dataset}\``)
        await data.demandNotHeld(dataset, use)
        const by = { type: use.principal.type, id: use.principal.id }
        const ask: NewErasure = {
          kind: 'dataset',
          pseudonym: null,
          datasets: [dataset],
          ground,
          by,
          purpose: use.purpose,
          destroysKey: true,
        }
        return shown(await carryOut(open ?? (await begin(ask, use)), use))
      }),
    list: () => journal.list().map(shown).toReversed(),
    certificate(id) {
      const { certificate } = journal.get(id)
      if (certificate === null) throw new RedoubtError('ERR_NOT_FOUND', 'this erasure is not done yet, so there is no certificate of it')
      return certificate
    },
    certificateKey: async () => String((await keys.signer('model-signing', ITSELF)).publicKey.export({ type: 'spki', format: 'pem' })),
    resume: () =>
      serialise(async () => {
        const known = new Set(applied.all<{ id: string }>('SELECT id FROM applied_erasures').map(({ id }) => id))
        const due = journal.list().filter((entry) => entry.doneAt === null || !known.has(entry.id))
        let done = 0
        for (const entry of due) {
          try {
            await carryOut(entry, ITSELF)
            done++
          } catch (thrown) {
            // One that was set since: the erasure waits for its end, and what there is may be served meanwhile.
            const { code } = asRedoubtError(thrown)
            if (code !== 'ERR_LEGAL_HOLD') throw thrown
          }
        }
        return done
      }),
  }
}

function shown({ fingerprints, certificate, purpose: _purpose, destroysKey: _destroysKey, ...entry }: JournalEntry): Erasure {
  return { ...entry, keys: fingerprints.length, hasCertificate: certificate !== null }
}
