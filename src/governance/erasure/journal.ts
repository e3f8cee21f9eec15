import { type Clock, type EntityUid, newId, RedoubtError, type Ground } from '#foundation/core'
import type { Statements } from '#governance/approvals'
import type { ErasedRows, Erasure } from './erasure.ts'

/** An erasure with what it takes to finish it. */
export interface JournalEntry extends Omit<Erasure, 'hasCertificate' | 'keys'> {
  readonly purpose: string
  /** The person's own key goes, too. */
  readonly destroysKey: boolean
  /** Of the person's keys that are destroyed, or names of key-encryption keys. */
  readonly fingerprints: readonly string[]
  readonly certificate: string | null
}

export type NewErasure = Pick<JournalEntry, 'kind' | 'pseudonym' | 'datasets' | 'ground' | 'by' | 'purpose' | 'destroysKey'>
export type DoneErasure = Pick<JournalEntry, 'versions' | 'objects'> & { readonly certificate: string; readonly doneAt: number }

interface Row {
  readonly id: string
  readonly kind: Erasure['kind']
  readonly pseudonym: string | null
  readonly datasets: string
  readonly ground: Ground
  readonly by_type: string
  readonly by_id: string
  readonly purpose: string
  readonly begun_at: number
  readonly destroys_key: number
  readonly fingerprints: string
  readonly done_at: number | null
  readonly versions: string | null
  readonly objects: number | null
  readonly certificate: string | null
}

/** Erasures in the order in which they began. Every write is durable when it returns. */
export class Journal {
  readonly #statements: Statements
  readonly #clock: Clock

  constructor(statements: Statements, clock: Clock) {
    this.#statements = statements
    this.#clock = clock
  }

  begin(id: string, { kind, pseudonym, datasets, ground, by, purpose, destroysKey }: NewErasure): JournalEntry {
    this.#statements.run(
      `INSERT INTO erasures (id, kind, pseudonym, datasets, ground, by_type, by_id, purpose, begun_at, destroys_key, fingerprints)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, '[]')`,
      id,
      kind,
      pseudonym,
      JSON.stringify(datasets),
      ground,
      by.type,
      by.id,
      purpose,
      this.#clock.now(),
      Number(destroysKey),
    )
    return this.get(id)
  }

  /** Of a person: data sets that hold rows of them as well. */
  found(id: string, datasets: readonly string[]): JournalEntry {
    this.#statements.run('UPDATE erasures SET datasets = ? WHERE id = ?', JSON.stringify(datasets), id)
    return this.get(id)
  }

  keysDestroyed(id: string, fingerprints: readonly string[]): JournalEntry {
    this.#statements.run('UPDATE erasures SET fingerprints = ? WHERE id = ?', JSON.stringify(fingerprints), id)
    return this.get(id)
  }

  finish(id: string, { doneAt, versions, objects, certificate }: DoneErasure): JournalEntry {
    this.#statements.run(
      'UPDATE erasures SET done_at = ?, versions = ?, objects = ?, certificate = ? WHERE id = ?',
      doneAt,
      JSON.stringify(versions),
      objects,
      certificate,
      id,
    )
    return this.get(id)
  }

  /** @throws {RedoubtError} `ERR_NOT_FOUND`. */
  get(id: string): JournalEntry {
    const [row] = this.#statements.all<Row>('SELECT * FROM erasures WHERE id = ?', id)
    if (row === undefined) throw new RedoubtError('ERR_NOT_FOUND', 'there is no such erasure')
    return toEntry(row)
  }

  list(): readonly JournalEntry[] {
    return this.#statements.all<Row>('SELECT * FROM erasures ORDER BY begun_at, id').map(toEntry)
  }
}

export const newErasureId = (): string => newId('er')

function toEntry(row: Row): JournalEntry {
  const by: EntityUid = { type: row.by_type, id: row.by_id }
  const { id, kind, pseudonym, ground, purpose, certificate } = row
  return {
    id,
    kind,
    pseudonym,
    datasets: JSON.parse(row.datasets) as string[],
    ground,
    by,
    purpose,
    begunAt: row.begun_at,
    destroysKey: row.destroys_key === 1,
    fingerprints: JSON.parse(row.fingerprints) as string[],
    doneAt: row.done_at,
    versions: row.versions === null ? [] : (JSON.parse(row.versions) as ErasedRows[]),
    objects: row.objects ?? 0,
    certificate,
  }
}
