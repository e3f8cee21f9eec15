import { createHmac, createSecretKey, type KeyObject, randomBytes } from 'node:crypto'
import { type AuditEvent, type LegalHolds, RedoubtError, type SubjectSealer, systemClock } from '#foundation/core'
import { MemoryFolder, openDatabase } from '#foundation/storage'
import { type Datasets, type DatasetVersion, EVERY_ROW_WHOLE, openDatasets, type RowGroup } from '#assets/datasets'
import type { Keys, KeyUse } from '#trust/keys'

/** Keys in memory: real data keys without the hierarchy above them. */
export function memoryKeys(log: (use: string) => void = () => undefined): Keys {
  const keys = new Map<string, KeyObject>()
  const unknown = (): never => {
    throw new RedoubtError('ERR_KEYS_UNKNOWN')
  }
  return {
    async generateDataKey(keyClass, resource) {
      log(`generate ${keyClass}`)
      const key = createSecretKey(randomBytes(32))
      const wrapped = Buffer.from(`key-${keys.size}`).toString('base64url')
      keys.set(wrapped, key)
      return { key, wrapped: { keyId: 'kek', version: 1, wrapped, binding: { tenant: 'default', resource, purpose: keyClass } } }
    },
    async unwrap({ wrapped }) {
      log('unwrap')
      return keys.get(wrapped) ?? unknown()
    },
    signer: unknown,
    release: unknown,
    destroySubject: unknown,
    rotate: unknown,
    list: () => [],
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
