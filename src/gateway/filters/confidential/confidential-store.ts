import { createHash } from 'node:crypto'
import { type AuditSink, CLASSIFIER, type Clock, type FilterAction, newId, RedoubtError, type RegisteredKind } from '#foundation/core'
import { openObject, removeUnfinished, sealObject } from '#foundation/crypto'
import { type Database, type DurableFolder, migrate } from '#foundation/storage'
import type { Keys, KeyUse, SealedObjects } from '#trust/keys'
import type { FilterPlan } from '../plan.ts'
import type { Planner } from '../site-filters.ts'
import { type ConfidentialIndex, confidentialIndex } from './confidential-index.ts'
import type { StreamMode } from './confidential-redactor.ts'
import { confidentialActions } from './entities.ts'
import type { Example } from './examples.ts'
import type { FingerprintSource } from './fingerprint-source.ts'
import type { FingerprintKey } from './keyed-hash.ts'
import { decodeRegistered, encodeRegistered, type RegisteredSource, sizeOf } from './registered-source.ts'
import type { TextCard, TextModel } from './text-model.ts'
import { trainInThread, type TrainInThreadOptions } from './train-in-thread.ts'

const FOLDER = 'confidential'
/** Registered things at most: each is unwrapped, and recorded, when the server starts. */
export const MOST_REGISTERED = 4_096
/** Fingerprints of all of them at most: about 500 MB of memory. */
export const MOST_REGISTERED_FINGERPRINTS = 20_000_000

const MIGRATIONS = [
  `CREATE TABLE confidential_sources (
    id TEXT PRIMARY KEY, kind TEXT NOT NULL, label TEXT NOT NULL, amount INTEGER NOT NULL, fingerprints INTEGER NOT NULL,
    digest TEXT NOT NULL, created_at INTEGER NOT NULL, by_type TEXT NOT NULL, by_id TEXT NOT NULL, UNIQUE (kind, label))`,
]

/** What may be told of a registered thing. */
export interface Registered {
  readonly kind: RegisteredKind
  /** The name it was given; of protected data, the data set's. */
  readonly label: string
  /** Letters of a document, terms of a list, rows of a data set, canaries, or documents that a classifier learned from. */
  readonly amount: number
  /** Or weights of a classifier. */
  readonly fingerprints: number
  /** What a classifier is worth. */
  readonly card?: TextCard
  /** Passages that are looked for: without what is public, or shared with so many documents that it is boilerplate. Left out where there are none. */
  readonly lookedFor?: number
  /** Epoch milliseconds. */
  readonly createdAt: number
  readonly by: { readonly type: string; readonly id: string }
}

interface Row {
  readonly id: string
  readonly kind: RegisteredKind
  readonly label: string
  readonly amount: number
  readonly fingerprints: number
  readonly digest: string
  readonly created_at: number
  readonly by_type: string
  readonly by_id: string
}

/** A plan that looks for what `sources` hold, for whoever registers nothing. */
export const confidentialPlan = (
  plan: FilterPlan,
  key: FingerprintKey,
  sources: readonly FingerprintSource[],
  actions: Readonly<Record<string, FilterAction>>,
  classifier: TextModel | null = null,
): FilterPlan => ({
  ...plan,
  confidential: { index: confidentialIndex(key, sources, { classifier }), actions: confidentialActions(actions), mode: 'hold' },
})

/** What is confidential here: fingerprints at rest, sealed, and in memory, ready. Who may is decided by the caller. */
export interface ConfidentialStore {
  /** Plans that know what is registered at this moment. */
  readonly plan: Planner
  readonly key: FingerprintKey
  list(): readonly Registered[]
  /** Memory of what is looked up, in bytes. */
  readonly bytes: number
  /**
   * In force for whatever begins after it resolves, recorded as `confidential.add`, durable. What has the kind and label is replaced,
   * but for canaries: those that are planted stay what is looked for.
   * @throws {RedoubtError} `ERR_CONFLICT`, `ERR_INPUT_TOO_LARGE`, and what storage, keys and audit throw: then nothing changed.
   */
  add(label: string, amount: number, source: RegisteredSource, use: KeyUse): Promise<Registered>
  /** Trains a classifier, in a thread of its own, and adds it. @throws {RedoubtError} as `trainInThread` and `add`: then nothing changed. */
  train(examples: readonly Example[], options: TrainInThreadOptions, use: KeyUse): Promise<Registered>
  /** Recorded as `confidential.remove`. @throws {RedoubtError} `ERR_NOT_FOUND`. */
  remove(kind: RegisteredKind, label: string, use: KeyUse): Promise<Registered>
  /** All that lies sealed here, for whoever moves keys. */
  readonly sealedObjects: SealedObjects
}

export interface ConfidentialOptions {
  readonly database: Pick<Database, 'raw'>
  readonly objects: DurableFolder
  readonly keys: Keys
  readonly audit: AuditSink
  readonly clock: Clock
  readonly key: FingerprintKey
  readonly mode: StreamMode
  /** As of `confidentialIndex`. */
  readonly boilerplate?: number
  /** Makes the plans that this adds to. */
  readonly plan: Planner
}

const SELF = { type: 'System', id: 'redoubt' } as const
const RESOURCE = { type: 'System', id: 'confidential' } as const
const pathOf = (id: string): string => `${FOLDER}/${id}.rdbt`
const resourceOf = (id: string): string => `confidential/${id}`

/**
 * Reads all that is registered.
 * @throws {RedoubtError} when a part is missing or was changed: a server that does not know what is confidential must not answer.
 */
export async function openConfidential(options: ConfidentialOptions): Promise<ConfidentialStore> {
  const { database, objects, keys, audit, clock, key, mode } = options
  migrate(database, 'confidential', MIGRATIONS)
  const { raw } = database
  const all = raw.prepare('SELECT * FROM confidential_sources ORDER BY kind, label')
  const named = raw.prepare('SELECT * FROM confidential_sources WHERE kind = ? AND label = ?')
  const put = raw.prepare(
    `INSERT INTO confidential_sources (id, kind, label, amount, fingerprints, digest, created_at, by_type, by_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT (kind, label) DO UPDATE SET id = excluded.id, amount = excluded.amount, fingerprints = excluded.fingerprints, digest = excluded.digest,
       created_at = excluded.created_at, by_type = excluded.by_type, by_id = excluded.by_id`,
  )
  const drop = raw.prepare('DELETE FROM confidential_sources WHERE id = ?')
  const rowsOf = (): readonly Row[] => all.all() as unknown as readonly Row[]

  objects.makeFolder(FOLDER)
  objects.syncFolder('')
  removeUnfinished(objects, FOLDER)
  const rows = rowsOf()
  const kept = new Set(rows.map(({ id }) => pathOf(id)))
  for (const name of objects.list(FOLDER)) if (!kept.has(`${FOLDER}/${name}`)) objects.remove(`${FOLDER}/${name}`)
  const sources = new Map<string, RegisteredSource>()
  for (const { id, kind, digest } of rows) {
    const use: KeyUse = { principal: SELF, purpose: 'confidential-data', resource: RESOURCE }
    const object = await openObject(objects, pathOf(id), (wrapped) => keys.unwrap(wrapped, use), { resource: resourceOf(id) })
    const bytes = await object.readAll()
    if (createHash('sha256').update(bytes).digest('hex') !== digest)
      throw new RedoubtError('ERR_STORAGE_CORRUPT', 'what is registered as confidential is not what was written')
    sources.set(id, decodeRegistered(bytes, kind))
  }

  let index: ConfidentialIndex
  let acting: WeakMap<object, FilterPlan>
  let counting: WeakMap<object, FilterPlan>
  let wanted: boolean
  const rebuild = (): void => {
    const all = [...sources.values()]
    const fingerprints = all.filter((source) => source.kind !== 'classifier')
    const classifier = all.find((source) => source.kind === 'classifier')?.model ?? null
    index = confidentialIndex(key, fingerprints, { classifier, boilerplate: options.boilerplate })
    acting = new WeakMap()
    counting = new WeakMap()
    wanted = index.canaries.size > 0
  }
  rebuild()
  const lookedForOf = (id: string): Pick<Registered, 'lookedFor'> => {
    const source = sources.get(id)
    const lookedFor = source === undefined || source.kind === 'classifier' ? undefined : index.lookedFor.get(source)
    return lookedFor === undefined ? {} : { lookedFor }
  }

  let last: Promise<unknown> = Promise.resolve()
  const serialise = <T>(work: () => Promise<T>): Promise<T> => {
    const next = last.then(work, work)
    last = next.catch(() => undefined)
    return next
  }
  const record = (type: string, { principal, requestId }: KeyUse, registered: Registered, replaces = false): Promise<unknown> =>
    audit.record({
      type,
      actor: principal,
      action: 'administer',
      resource: RESOURCE,
      outcome: 'success',
      ...(requestId === undefined ? {} : { requestId }),
      details: {
        kind: registered.kind,
        label: registered.label,
        amount: registered.amount,
        fingerprints: registered.fingerprints,
        ...figuresOf(registered),
        ...(replaces ? { replaces } : {}),
      },
    })

  const listed = (row: Row): Registered => registeredOf(row, sources.get(row.id))
  const store: ConfidentialStore = {
    key,
    sealedObjects: {
      name: 'fingerprints of what is confidential',
      keyClass: 'configuration',
      list: () => rowsOf().map(({ id }) => ({ path: pathOf(id), owner: null })),
    },
    list: () => rowsOf().map((row) => ({ ...listed(row), ...lookedForOf(row.id) })),
    get bytes() {
      return index.bytes
    },
    plan(actions, dryRun) {
      const plans = dryRun ? counting : acting
      const known = plans.get(actions)
      if (known !== undefined) return known
      const plan = options.plan(actions, dryRun)
      const chosen = confidentialActions(actions)
      // Only canaries are looked for unasked.
      const full = wanted || chosen.size > 1 ? { ...plan, confidential: { index, actions: chosen, mode } } : plan
      plans.set(actions, full)
      return full
    },
    add: (label, amount, source, use) =>
      serialise(async () => {
        const before = named.get(source.kind, label) as Row | undefined
        // Asked here, where one comes after the other: of two at once the second must not take the place of what the first told.
        if (source.kind === 'canary' && before !== undefined)
          throw new RedoubtError('ERR_CONFLICT', `there are canaries of the label \`${label}\`: others would take their place`)
        const size = sizeOf(source)
        const others = [...sources].filter(([id]) => id !== before?.id)
        if (others.length >= MOST_REGISTERED)
          throw new RedoubtError('ERR_INPUT_TOO_LARGE', `at most ${MOST_REGISTERED} things are registered: join or remove some`)
        if (others.reduce((sum, [, other]) => sum + sizeOf(other), size) > MOST_REGISTERED_FINGERPRINTS)
          throw new RedoubtError('ERR_INPUT_TOO_LARGE', `at most ${MOST_REGISTERED_FINGERPRINTS} fingerprints are kept: remove some`)
        const id = newId('cd')
        const created = {
          kind: source.kind,
          label,
          amount,
          fingerprints: size,
          createdAt: clock.now(),
          by: { type: use.principal.type, id: use.principal.id },
          ...cardOf(source),
        }
        const dataKey = await keys.generateDataKey('configuration', resourceOf(id), use)
        const { plaintextDigest } = await sealObject(objects, pathOf(id), dataKey, [encodeRegistered(source)])
        try {
          // Recorded before it is in force: what is looked for is never unknown to the log.
          await record('confidential.add', use, created, before !== undefined)
          put.run(id, source.kind, label, amount, size, plaintextDigest, created.createdAt, use.principal.type, use.principal.id)
        } catch (thrown) {
          removeQuietly(objects, id)
          throw thrown
        }
        sources.set(id, source)
        if (before !== undefined) sources.delete(before.id)
        rebuild()
        if (before !== undefined) removeQuietly(objects, before.id)
        return { ...created, ...lookedForOf(id) }
      }),
    async train(examples, trainOptions, use) {
      const model = await trainInThread(examples, key, trainOptions)
      const { card } = model
      return store.add(CLASSIFIER, card.confidential.documents + card.public.documents, { kind: 'classifier', model }, use)
    },
    remove: (kind, label, use) =>
      serialise(async () => {
        const row = named.get(kind, label) as Row | undefined
        if (row === undefined) throw new RedoubtError('ERR_NOT_FOUND', `no ${kind} is registered as \`${label}\``)
        const removed = listed(row)
        await record('confidential.remove', use, removed)
        drop.run(row.id)
        sources.delete(row.id)
        rebuild()
        removeQuietly(objects, row.id)
        return removed
      }),
  }
  return store
}

const cardOf = (source: RegisteredSource | undefined): { readonly card?: TextCard } =>
  source?.kind === 'classifier' ? { card: source.model.card } : {}

function figuresOf({ card }: Registered): Readonly<Record<string, number>> {
  if (card === undefined) return {}
  const { wantedFalseAlarms, falseAlarms, recall, precision } = card
  return { wantedFalseAlarms, falseAlarms, recall, precision }
}

const registeredOf = (
  { kind, label, amount, fingerprints, created_at, by_type, by_id }: Row,
  source: RegisteredSource | undefined,
): Registered => ({
  kind,
  label,
  amount,
  fingerprints,
  createdAt: created_at,
  by: { type: by_type, id: by_id },
  ...cardOf(source),
})

/** What cannot be removed now is at the next start, since nothing refers to it. */
function removeQuietly(objects: DurableFolder, id: string): void {
  try {
    objects.remove(pathOf(id))
    objects.syncFolder(FOLDER)
  } catch {
    return
  }
}
