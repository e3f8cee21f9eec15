import type { KeyObject } from 'node:crypto'
import { type AuditSink, type Clock, type EntityUid, type JsonObject, type LegalHolds, newId, RedoubtError } from '#foundation/core'
import { openBytes, sealBytes } from '#foundation/crypto'
import type { Statements } from '#governance/approvals'
import type { KeyUse } from '#trust/keys'

/** What a hold is on: a person, by pseudonym, or a data set, by name. */
export interface HoldTarget {
  readonly kind: 'subject' | 'dataset'
  readonly target: string
}

export interface Hold extends HoldTarget {
  readonly id: string
  /** Epoch milliseconds; it holds while the clock is before. */
  readonly until: number
  readonly setAt: number
  readonly setBy: EntityUid
  /** As it was written. */
  readonly reason: string
  /** Why it was lifted; null unless it was. */
  readonly liftReason: string | null
  readonly state: 'held' | 'ended' | 'lifted'
}

/** Holds as those see them who set them; `LegalHolds` is what everyone else asks. */
export interface Holds extends LegalHolds {
  /** On record before it holds. @throws {RedoubtError} `ERR_INPUT_INVALID` for a date that has passed. */
  set(target: HoldTarget, ask: { readonly until: number; readonly reason: string }, use: KeyUse): Promise<Hold>
  /** Newest first, ended ones too. */
  list(): readonly Hold[]
  /** @throws {RedoubtError} `ERR_NOT_FOUND`. */
  get(id: string): Hold
  /** On record before it takes effect. @throws {RedoubtError} `ERR_NOT_FOUND` when there is no such hold in force. */
  lift(id: string, reason: string, use: KeyUse): Promise<Hold>
}

interface Row {
  readonly id: string
  readonly kind: 'subject' | 'dataset'
  readonly target: string
  readonly until: number
  readonly set_at: number
  readonly set_by_type: string
  readonly set_by_id: string
  readonly sealed: Uint8Array
  readonly lifted_at: number | null
  readonly lifted_sealed: Uint8Array | null
}

const IN_FORCE = 'lifted_at IS NULL AND until > ?'

/**
 * @param clock the wall clock: setting it back lengthens a hold, which is the safe side; whoever sets it forward ends holds early.
 * @param key seals reasons, which may name anyone.
 */
export function openHolds({
  statements,
  audit,
  clock,
  key,
}: {
  readonly statements: Statements
  readonly audit: AuditSink
  readonly clock: Clock
  readonly key: KeyObject
}): Holds {
  const aad = (id: string, what: 'set' | 'lift'): Uint8Array => Buffer.from(`redoubt hold 1 ${what} ${id}`)
  const shown = (row: Row): Hold => ({
    id: row.id,
    kind: row.kind,
    target: row.target,
    until: row.until,
    setAt: row.set_at,
    setBy: { type: row.set_by_type, id: row.set_by_id },
    reason: text(openBytes(key, aad(row.id, 'set'), row.sealed)),
    liftReason: row.lifted_sealed === null ? null : text(openBytes(key, aad(row.id, 'lift'), row.lifted_sealed)),
    state: row.lifted_at !== null ? 'lifted' : row.until > clock.now() ? 'held' : 'ended',
  })
  const one = (id: string): Hold => {
    const [row] = statements.all<Row>('SELECT * FROM holds WHERE id = ?', id)
    if (row === undefined) throw new RedoubtError('ERR_NOT_FOUND', 'there is no such hold')
    return shown(row)
  }
  const record = async (type: 'hold.set' | 'hold.lift', use: KeyUse, details: JsonObject): Promise<void> => {
    await audit.record({
      type,
      actor: use.principal,
      action: 'hold',
      resource: use.resource,
      outcome: 'success',
      purpose: use.purpose,
      details,
      ...(use.requestId === undefined ? {} : { requestId: use.requestId }),
    })
  }
  return {
    demandNone({ pseudonym, dataset, madeOf = [] }) {
      const on = (kind: HoldTarget['kind'], target: string): Row | undefined =>
        statements.all<Row>(
          `SELECT * FROM holds WHERE kind = ? AND target = ? AND ${IN_FORCE} ORDER BY until DESC LIMIT 1`,
          kind,
          target,
          clock.now(),
        )[0]
      const demand = (row: Row | undefined, what: string): void => {
        if (row !== undefined) throw refusal(row, what)
      }
      if (pseudonym !== undefined) demand(on('subject', pseudonym), 'a person is')
      if (dataset !== undefined) demand(on('dataset', dataset), 'the data set is')
      for (const source of madeOf) demand(on('dataset', source), `it is made of rows of the data set \`${source}\`, which is`)
    },
    heldSubjects: () =>
      statements
        .all<{ target: string }>(`SELECT DISTINCT target FROM holds WHERE kind = 'subject' AND ${IN_FORCE} ORDER BY target`, clock.now())
        .map(({ target }) => target),
    async set({ kind, target }, { until, reason }, use) {
      if (until <= clock.now()) throw new RedoubtError('ERR_INPUT_INVALID', 'a hold ends in the future')
      const id = newId('hold')
      await record('hold.set', use, { hold: id, kind, target, until })
      statements.run(
        'INSERT INTO holds (id, kind, target, until, set_at, set_by_type, set_by_id, sealed) VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
        id,
        kind,
        target,
        until,
        clock.now(),
        use.principal.type,
        use.principal.id,
        sealBytes(key, aad(id, 'set'), Buffer.from(reason)),
      )
      return one(id)
    },
    list: () => statements.all<Row>('SELECT * FROM holds ORDER BY set_at DESC, id').map(shown),
    get: one,
    async lift(id, reason, use) {
      const { state, kind, target } = one(id)
      if (state !== 'held') throw new RedoubtError('ERR_NOT_FOUND', 'this hold is not in force any more')
      await record('hold.lift', use, { hold: id, kind, target })
      statements.run(
        'UPDATE holds SET lifted_sealed = ?, lifted_at = ?, lifted_by_type = ?, lifted_by_id = ? WHERE id = ? AND lifted_at IS NULL',
        sealBytes(key, aad(id, 'lift'), Buffer.from(reason)),
        clock.now(),
        use.principal.type,
        use.principal.id,
        id,
      )
      return one(id)
    },
  }
}

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('utf8')

/** Who set it and until when, and nothing of whom it is about. */
function refusal({ id, until, set_by_type, set_by_id }: Row, what: string): RedoubtError {
  const day = new Date(until).toISOString()
  return new RedoubtError('ERR_LEGAL_HOLD', `${what} under a legal hold until ${day}, set by \`${set_by_id}\` (\`${id}\`)`, {
    evidence: { hold: id, until, setByType: set_by_type, setById: set_by_id },
  })
}
