/** Transforms of the Adult census table from sealed rows to sealed rows, each in a thread of its own, with the real keyring and log. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { openRooms, type Rooms } from '../src/assets/transforms/rooms.fixtures.ts'
import { median, type Row } from './row.ts'

const TABULAR = `${process.env['REDOUBT_SHARED'] ?? fileURLToPath(new URL('../../shared', import.meta.url))}/data/tabular`
const RUNS = 3
const SAMPLE_MS = 5
const FACTS = {
  sensitivity: 'confidential',
  purposes: ['care'],
  legalBasis: 'contract',
  by: { type: 'ServiceAccount', id: 'bench' },
} as const
/** Each keeps its input whole where it can, so that what is read, worked on and sealed is the same number of rows. */
const STEPS = {
  filter: [{ filter: 'age >= 30 and hours_per_week > 20 and not (workclass = "Never-worked")' }],
  derive: [
    {
      derive: {
        decade: 'bucket(age, 10)',
        gain: 'capital_gain - capital_loss',
        full: 'if(hours_per_week >= 35, "full", "part")',
        place: 'lower(concat(native_country, "/", education))',
      },
    },
  ],
  join: [{ join: { with: 'occupations', on: { occupation: 'occupation' }, kind: 'left', take: ['class', 'share'] } }],
} as const

/** Training and test part as one table, with a column that says whom each row is about. */
function adult(): { readonly csv: string; readonly rows: number; readonly occupations: string } {
  const [train, test] = ['adult_train.csv', 'adult_test.csv'].map((name) => {
    const path = `${TABULAR}/${name}`
    if (!existsSync(path)) throw new Error(`the benchmark needs ${path}`)
    return readFileSync(path, 'utf8').trim().split('\n')
  })
  const [header, ...lines] = [...train!, ...test!.slice(1)]
  const column = header!.split(',').indexOf('occupation')
  const names = [...new Set(lines.map((line) => line.split(',')[column]!))].filter((name) => name !== '')
  return {
    csv: `person,${header}\n${lines.map((line, n) => `person-${n},${line}`).join('\n')}\n`,
    rows: lines.length,
    occupations: `occupation,class,share\n${names.map((name, n) => `${name},class ${n % 4},${n / 100}`).join('\n')}\n`,
  }
}

async function importCsv(rooms: Rooms, name: string, csv: string, subject?: string): Promise<void> {
  async function* source(): AsyncGenerator<Uint8Array> {
    yield Buffer.from(csv)
  }
  await rooms.datasets.import(source(), { ...FACTS, name, ...(subject === undefined ? {} : { subject }) })
}

/** Seconds of a run, of all threads' processor time in it, and by how many MiB the process grew at its peak. */
async function measured(
  rooms: Rooms,
  definition: object,
): Promise<{ readonly seconds: number; readonly cpu: number; readonly mib: number }> {
  globalThis.gc?.()
  const before = process.memoryUsage.rss()
  let peak = before
  const sampler = setInterval(() => (peak = Math.max(peak, process.memoryUsage.rss())), SAMPLE_MS)
  const used = process.cpuUsage()
  const started = performance.now()
  await rooms.run(definition)
  const seconds = (performance.now() - started) / 1000
  const { user, system } = process.cpuUsage(used)
  clearInterval(sampler)
  return { seconds, cpu: (user + system) / 1e6, mib: (peak - before) / 2 ** 20 }
}

export const benchmark = {
  name: 'transforms',
  async run(): Promise<readonly Row[]> {
    const folder = mkdtempSync(join(tmpdir(), 'redoubt-bench-transforms-'))
    const rooms = await openRooms(folder, { parallel: true })
    try {
      const { csv, rows, occupations } = adult()
      await importCsv(rooms, 'adult', csv, 'person')
      await importCsv(rooms, 'occupations', occupations)
      await importCsv(rooms, 'one', csv.split('\n').slice(0, 2).join('\n'), 'person')
      const starts = []
      for (let n = 0; n < RUNS; n++)
        starts.push(await measured(rooms, { from: 'one', steps: [{ filter: 'true' }], to: { dataset: 'still-one' } }))
      const start = median(starts.map(({ cpu }) => cpu))
      const figures: Row[] = [
        { what: 'transform: a run of one row', value: median(starts.map(({ seconds }) => seconds)), unit: 's', target: null, comparator: '<=', note: 'thread, code, keys, records and syncs' },
        { what: 'transform: CPU of a run of one row', value: start, unit: 's', target: null, comparator: '<=' },
      ] // prettier-ignore
      for (const [kind, steps] of Object.entries(STEPS)) {
        const runs = []
        for (let n = 0; n < RUNS; n++) runs.push(await measured(rooms, { from: 'adult', steps, to: { dataset: `adult-${kind}` } }))
        const seconds = median(runs.map((run) => run.seconds))
        const cpu = median(runs.map((run) => run.cpu)) - start
        const note = `${rows} Adult rows of 16 columns with a subject, whole run of ${seconds.toFixed(2)} s with the start of its thread`
        figures.push(
          { what: `transform: ${kind}, sealed to sealed`, value: rows / seconds, unit: 'rows/s', target: null, comparator: '>=', note },
          { what: `transform: ${kind}, beyond its start`, value: rows / cpu, unit: 'rows/CPU s', target: null, comparator: '>=' },
          { what: `transform: ${kind}, peak memory`, value: Math.max(...runs.map((run) => run.mib)), unit: 'MiB', target: null, comparator: '<=', note: 'growth of the process' }, // prettier-ignore
        )
      }
      return figures
    } finally {
      await rooms.close()
      rmSync(folder, { recursive: true, force: true })
    }
  },
}
