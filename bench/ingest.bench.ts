/** Rows that come in as JSON lines until they are durable: checked, on record, sealed, synced; with the real keyring and log. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type CollectedColumn, openCollections, rowsOfLines } from '#assets/collections'
import { openSealedRooms } from '../test/fixtures/sealed-rooms.ts'
import type { Row } from './row.ts'

const BATCH_ROWS = 1_000
const BATCHES = 200
const SENDERS = 8
const TARGET = 50_000
const COLUMNS: readonly CollectedColumn[] = [
  { name: 'patient', type: 'text', nullable: false },
  { name: 'ward', type: 'text', nullable: false },
  { name: 'age', type: 'integer', nullable: false },
  { name: 'weight', type: 'real', nullable: true },
  { name: 'pulse', type: 'integer', nullable: true },
  { name: 'note', type: 'text', nullable: true },
  { name: 'late', type: 'integer', nullable: false },
]
const SELF = { type: 'ServiceAccount', id: 'bench' } as const

function batch(number: number): Uint8Array {
  const row = (i: number): string => {
    const n = number * BATCH_ROWS + i
    return JSON.stringify({ patient: `patient-${n % 5_000}`, ward: `ward ${n % 12}`, age: n % 95, weight: 40 + (n % 640) / 10, pulse: 50 + (n % 70), note: `seen again in ${n % 50} days`, late: n % 2 }) // prettier-ignore
  }
  return Buffer.from(Array.from({ length: BATCH_ROWS }, (_, i) => row(i)).join('\n'))
}

export const benchmark = {
  name: 'ingest',
  async run(): Promise<readonly Row[]> {
    const folder = mkdtempSync(join(tmpdir(), 'redoubt-bench-ingest-'))
    const rooms = await openSealedRooms(folder, { parallel: true })
    const collections = openCollections({ ...rooms, codeDigest: async () => 'bench', digestKey: new Uint8Array(32).fill(1) })
    try {
      const made = {
        sensitivity: 'restricted',
        purposes: ['care'],
        legalBasis: 'contract',
        collectors: [],
        cutHours: null,
        by: SELF,
      } as const
      await collections.create({ ...made, name: 'visits', columns: COLUMNS, subject: 'patient' })
      const batches = Array.from({ length: 20 }, (_, number) => batch(number))
      const send = async (number: number): Promise<void> => {
        const bytes = batches[number % batches.length]!
        const release = collections.admit(bytes.byteLength)
        try {
          const rows = rowsOfLines(bytes, COLUMNS)
          await collections.append('visits', { rows, bytes: bytes.byteLength, key: `batch-${number}`, by: SELF, purpose: 'care' })
        } finally {
          release()
        }
      }
      for (let number = 0; number < 20; number++) await send(10 * BATCHES + number)
      const throughput = async (senders: number, from: number): Promise<number> => {
        const started = performance.now()
        let next = from
        await Promise.all(
          Array.from({ length: senders }, async () => {
            while (next < from + BATCHES) await send(next++)
          }),
        )
        return (BATCHES * BATCH_ROWS) / ((performance.now() - started) / 1000)
      }
      const many = await throughput(SENDERS, 0)
      const one = await throughput(1, BATCHES)
      const started = performance.now()
      const { rows } = await collections.cut('visits', { by: SELF })
      const cut = rows / ((performance.now() - started) / 1000)
      const note = `batches of ${BATCH_ROWS} rows, ${COLUMNS.length} columns, ${Math.round(batches[0]!.byteLength / 1024)} KiB of JSON; each checked, on record and synced before it is acknowledged`
      return [
        { what: `ingest: rows durable, ${SENDERS} senders`, value: many, unit: 'rows/s', target: TARGET, comparator: '>=', note },
        { what: 'ingest: rows durable, one sender', value: one, unit: 'rows/s', target: null, comparator: '>=', note },
        {
          what: 'ingest: rows that were collected made a version',
          value: cut,
          unit: 'rows/s',
          target: null,
          comparator: '>=',
          note: `${rows} rows with a subject index`,
        },
      ]
    } finally {
      await collections.end()
      await rooms.close()
      rmSync(folder, { recursive: true, force: true })
    }
  },
}
