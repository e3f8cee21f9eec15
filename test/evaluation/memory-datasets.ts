import { createHmac, createSecretKey, type KeyObject, randomBytes } from 'node:crypto'
import { type AuditEvent, type LegalHolds, RedoubtError, type SubjectSealer, systemClock } from '#foundation/core'
import { MemoryFolder, openDatabase } from '#foundation/storage'
import { type DatasetKeys, type Datasets, type DatasetVersion, EVERY_ROW_WHOLE, openDatasets, type RowGroup } from '#assets/datasets'
import type { WrappedKey } from '#foundation/crypto'
import type { KeyUse } from '#trust/keys'

/** Keys in memory: real data keys without the hierarchy above them, under versions that are made, moved from and destroyed. */
export function memoryKeys(log: (use: string) => void = () => undefined): DatasetKeys {
  const keys = new Map<string, { readonly key: KeyObject; readonly version: number; readonly owner: string }>()
  const primary = new Map<string, number>()
  const unknown = (): never => {
    throw new RedoubtError('ERR_KEYS_UNKNOWN')
  }
  const open = ({ wrapped, version }: WrappedKey): KeyObject => {
    const found = keys.get(wrapped) ?? unknown()
    if (destroyed.has(`${found.owner}/${version}`)) throw new RedoubtError('ERR_KEYS_DESTROYED')
    return found.key
  }
  const destroyed = new Set<string>()
  const versionOf = (owner: string): number => primary.get(owner) ?? 1
  const wrap = (key: KeyObject, owner: string, binding: WrappedKey['binding']): WrappedKey => {
    const wrapped = Buffer.from(`key-${keys.size}`).toString('base64url')
    const version = versionOf(owner)
    keys.set(wrapped, { key, version, owner })
    return { keyId: `kek-${owner}`, version, wrapped, binding }
  }
  const end = (owner: string, below: number): { destroyed: number } => {
    let count = 0
    for (let version = 1; version < below; version++) {
      if (!destroyed.has(`${owner}/${version}`)) count++
      destroyed.add(`${owner}/${version}`)
    }
    return { destroyed: count }
  }
  return {
    async generateDataKey(owner, resource) {
      const keyClass = owner === 'configuration' ? owner : owner.keyClass
      log(`generate ${keyClass}`)
      const key = createSecretKey(randomBytes(32))
      const binding = { tenant: 'default', resource, purpose: keyClass } as const
      return { key, wrapped: wrap(key, owner === 'configuration' ? owner : owner.name, binding) }
    },
    async unwrap(wrapped) {
      log('unwrap')
      return open(wrapped)
    },
    signer: unknown,
    release: unknown,
    destroySubject: unknown,
    async destroyOwner({ name }) {
      return end(name, versionOf(name) + 1)
    },
    async destroyRetired({ name }, _use, unreferenced = () => true) {
      if (!unreferenced()) throw new RedoubtError('ERR_CONFLICT')
      return end(name, versionOf(name))
    },
    async rewrap(wrapped, _use, owner) {
      return wrap(open(wrapped), owner?.name ?? 'none', wrapped.binding)
    },
    async rotate(of) {
      const name = typeof of === 'string' ? of : of.name
      primary.set(name, versionOf(name) + 1)
      return { keyId: `kek-${name}`, version: versionOf(name) }
    },
    list: () =>
      [...destroyed].map((id) => {
        const [owner = '', version] = id.split('/')
        return { keyId: `kek-${owner}`, keyClass: 'dataset', owner, version: Number(version), state: 'destroyed', createdAt: 0, uses: 0 }
      }),
  }
}

/** Pseudonyms only: data sets ask for nothing else. */
export const memorySealer: SubjectSealer = {
  pseudonym: (subject) => createHmac('sha256', 'test').update(subject).digest('base64url'),
  seal: () => Promise.reject(new RedoubtError('ERR_INTERNAL')),
  open: () => Promise.reject(new RedoubtError('ERR_INTERNAL')),
}

/** Nothing must be kept. */
export const noHolds: LegalHolds = { demandNone: () => undefined, heldSubjects: () => [] }

export const someone = { type: 'ServiceAccount', id: 'evaluation' } as const
export const someUse: KeyUse = { principal: someone, purpose: 'testing', resource: { type: 'Dataset', id: 'evaluation' } }

/** Data sets in memory, for measuring what is done with them. */
export function memoryDatasets(): Datasets {
  const events: AuditEvent[] = []
  const audit = { record: async (event: AuditEvent) => ({ index: events.push(event) - 1, leafHash: '' }) }
  return openDatasets({
    database: openDatabase(':memory:'),
    objects: new MemoryFolder(),
    keys: memoryKeys(),
    audit,
    clock: systemClock,
    sealer: memorySealer,
    holds: noHolds,
    environment: 'development',
  })
}

/** Imports CSV text. */
export function importText(datasets: Datasets, name: string, text: string, label = 'label'): Promise<DatasetVersion> {
  async function* source(): AsyncGenerator<Uint8Array> {
    yield Buffer.from(text, 'utf8')
  }
  return datasets.import(source(), { name, label, sensitivity: 'restricted', purposes: ['testing'], legalBasis: 'contract', by: someone })
}

/** All rows of a version as whole columns. */
export async function readColumns(datasets: Datasets, version: DatasetVersion): Promise<RowGroup['columns']> {
  const groups: RowGroup[] = []
  for await (const group of datasets.read(version, someUse, EVERY_ROW_WHOLE)) groups.push(group)
  return version.columns.map(({ name, type }, c) => {
    const parts = groups.map((group) => group.columns[c]!)
    if (type === 'text') return { name, type, values: parts.flatMap((part) => (part.type === 'text' ? part.values : [])) }
    return { name, type, values: Float64Array.from(parts.flatMap((part) => (part.type === 'text' ? [] : [...part.values]))) }
  })
}
