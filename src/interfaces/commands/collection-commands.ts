import { createHash } from 'node:crypto'
import { createReadStream, existsSync, statSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { setTimeout as wait } from 'node:timers/promises'
import { type Command, InvalidArgumentError, Option } from 'commander'
import { asRedoubtError, LEGAL_BASES, RedoubtError, SENSITIVITIES } from '#foundation/core'
import type { Client } from './client.ts'
import { table } from './output.ts'
import { run } from './program.ts'
import { repeated } from './repeated.ts'

interface Column {
  readonly name: string
  readonly type: string
  readonly nullable: boolean
}

interface Collection {
  readonly name: string
  readonly columns: readonly Column[]
  readonly sensitivity: string
  readonly purposes: readonly string[]
  readonly collectors: readonly string[]
  readonly cutHours: number | null
  readonly state: string
  readonly version: number | null
}

interface CollectOptions {
  readonly columns: readonly Column[]
  readonly label?: string
  readonly subject?: string
  readonly sensitivity: string
  readonly purpose: readonly string[]
  readonly legalBasis: string
  readonly collector?: readonly string[]
  readonly cutHours?: number
}

interface Made {
  readonly version: { readonly name: string; readonly version: number; readonly rows: number; readonly digest: string } | null
}

const TYPES = ['integer', 'real', 'text']

/** `NAME:TYPE`, with `?` behind it when a row need not have a value, separated by commas. */
function columnList(text: string): readonly Column[] {
  return text.split(',').map((part) => {
    const [, name, type, optional] = /^(.+):([a-z]+)(\??)$/.exec(part.trim()) ?? []
    if (name === undefined || type === undefined || !TYPES.includes(type))
      throw new InvalidArgumentError(`a column is written NAME:TYPE, the type one of ${TYPES.join(', ')}, with \`?\` behind it when it may be missing`) // prettier-ignore
    return { name, type, nullable: optional === '?' }
  })
}

const hours = (text: string): number => {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1 || value > 8784) throw new InvalidArgumentError('a number from 1 to 8784')
  return value
}
const pathOf = (name: string | undefined, rest: string): string => `/datasets/${encodeURIComponent(name ?? '')}/${rest}`

/** Commands of data sets that grow row by row. */
export function collectionCommands(data: Command): void {
  data
    .command('collect <name>')
    .description('begin to collect rows for a data set, to which applications add')
    .addOption(
      new Option('--columns <list>', 'NAME:TYPE,… with integer, real or text; `?` behind it: may be missing')
        .argParser(columnList)
        .makeOptionMandatory(),
    )
    .option('--label <column>', 'column that models will predict: 0 or 1')
    .option('--subject <column>', 'column of text that names the person of each row; never a feature of a model')
    .addOption(new Option('--sensitivity <level>', 'how sensitive the rows are').choices(SENSITIVITIES).makeOptionMandatory())
    .addOption(
      new Option('--purpose <purpose>', 'what the rows are collected for, may be repeated').argParser(repeated).makeOptionMandatory(),
    )
    .addOption(
      new Option('--legal-basis <basis>', 'on which they are collected, GDPR art. 6(1)').choices(LEGAL_BASES).makeOptionMandatory(),
    )
    .option('--collector <account>', 'service account that may add rows, may be repeated', repeated)
    .option('--cut-hours <hours>', 'make a version of what was collected every so many hours', hours)
    .action(
      run<CollectOptions>(async ({ client, output }, options, name) => {
        const { columns, sensitivity, legalBasis, purpose: purposes, collector: collectors = [], cutHours = null } = options
        const { label, subject } = options
        const json = { columns, sensitivity, legalBasis, purposes, collectors, cutHours, ...(label === undefined ? {} : { label }), ...(subject === undefined ? {} : { subject }) } // prettier-ignore
        const made = await client.call<Collection>(pathOf(name, 'collection'), { method: 'POST', json })
        const rows = made.columns.map((column) => [column.name, column.type, column.nullable ? 'may be missing' : ''])
        const granted = made.collectors.length === 0 ? 'nobody yet: `redoubt data collectors`' : made.collectors.join(', ')
        output.result(made, `rows are collected for \`${made.name}\`, by ${granted}\n\n${table(['column', 'type', ''], rows)}`)
      }),
    )

  data
    .command('collectors <name> [accounts...]')
    .description('show how rows are collected, or name the service accounts that may add them')
    .option('--none', 'nobody may add rows')
    .action(
      run<{ readonly none?: boolean }>(async ({ client, output }, options, name, ...rest) => {
        const accounts = rest.flat()
        if (options.none === true && accounts.length > 0) throw new RedoubtError('ERR_USAGE', 'name accounts, or say `--none`')
        if (options.none === true || accounts.length > 0)
          await client.call(pathOf(name, 'collection/collectors'), { method: 'PUT', json: { collectors: accounts } })
        const one = await client.call<Collection & { readonly pending: { readonly rows: number } }>(pathOf(name, 'collection'))
        output.result(one, words(one, one.pending.rows))
      }),
    )

  data
    .command('collections')
    .description('list the data sets that are collected row by row')
    .action(
      run(async ({ client, output }) => {
        const { collections } = await client.call<{ collections: readonly Collection[] }>('/collections')
        const rows = collections.map((one) => [one.name, one.state, one.version === null ? '' : String(one.version), one.sensitivity, one.collectors.join(',')]) // prettier-ignore
        output.result(collections, table(['name', 'state', 'version', 'sensitivity', 'collectors'], rows))
      }),
    )

  data
    .command('append <name> <file>')
    .description('add rows to a collection: JSON lines, one object a line; the same file again within a day adds nothing')
    .option('--again', 'add them although the same file was added before')
    .action(
      run<{ readonly again?: boolean }>(async ({ client, output }, options, name, file) => {
        if (file === undefined || !existsSync(file)) throw new RedoubtError('ERR_USAGE', `there is no file \`${file}\``)
        const total = statSync(file).size
        const session = options.again === true ? `${Date.now()}-` : ''
        const sum = { rows: 0, batches: 0, known: 0 }
        for await (const { bytes, sent, number, firstLine } of batchesOf(file)) {
          const key = `${session}${number}-${createHash('sha256').update(bytes).digest('hex')}`
          const answer = await sendPatiently(client, pathOf(name, 'rows'), bytes, key, firstLine)
          if (answer.known) sum.known += answer.rows
          else sum.rows += answer.rows
          sum.batches++
          output.progress('adding', sent, total, `bytes, ${(sum.rows + sum.known).toLocaleString('en')} rows`)
        }
        output.progressDone()
        const before = sum.known === 0 ? '' : `; ${sum.known.toLocaleString('en')} were there already`
        output.result({ name, ...sum }, `added ${sum.rows.toLocaleString('en')} rows to \`${name}\`${before}`)
      }),
    )

  for (const [act, description] of [
    ['cut', 'make the next version of a data set of all rows collected so far'],
    ['close', 'take no more rows, and make a version of what was collected'],
  ] as const)
    data
      .command(`${act} <name>`)
      .description(description)
      .action(
        run(async ({ client, output }, _options, name) => {
          const { version } = await client.long<Made>(pathOf(name, `collection/${act}`), {
            method: 'POST',
            progress: (facts) => output.progress('writing', Number(facts['rows'] ?? 0), null, 'rows'),
          })
          output.progressDone()
          const closed = act === 'close' ? `\`${name}\` takes no more rows\n` : ''
          const made = version
            ? `\`${version.name}\` version ${version.version}: ${version.rows.toLocaleString('en')} rows\ndigest ${version.digest}`
            : 'nothing was collected since its last version'
          output.result({ closed: act === 'close', version }, `${closed}${made}`)
        }),
      )
}

function words({ name, state, version, columns, collectors, cutHours }: Collection, pending: number): string {
  const lines = [
    `\`${name}\` is ${state}; ${version === null ? 'no version yet' : `version ${version}`}, ${pending.toLocaleString('en')} rows in none`,
    `collectors: ${collectors.length === 0 ? 'nobody' : collectors.join(', ')}`,
    `a version is made ${cutHours === null ? 'when somebody asks' : `every ${cutHours} hours`}`,
  ]
  const rows = columns.map((column) => [column.name, column.type, column.nullable ? 'may be missing' : ''])
  return `${lines.join('\n')}\n\n${table(['column', 'type', ''], rows)}`
}

/** A batch is well below what the server takes at once. */
const BATCH_ROWS = 2_000
const BATCH_BYTES = 2 ** 20

interface Batch {
  readonly bytes: Buffer
  /** Bytes of the file up to its end. */
  readonly sent: number
  readonly number: number
  /** Line of its first row, from 1. */
  readonly firstLine: number
}

async function* batchesOf(file: string): AsyncGenerator<Batch> {
  const lines = createInterface({ input: createReadStream(file, { highWaterMark: 256 * 1024 }), crlfDelay: Infinity })
  let held: string[] = []
  let bytes = 0
  let sent = 0
  let number = 0
  let lineNumber = 0
  let firstLine = 0
  const take = (): Batch => {
    const batch = { bytes: Buffer.from(held.join('\n')), sent, number: number++, firstLine }
    held = []
    bytes = 0
    return batch
  }
  for await (const line of lines) {
    const size = Buffer.byteLength(line) + 1
    lineNumber++
    sent += size
    if (line.trim() === '') continue
    if (held.length === 0) firstLine = lineNumber
    held.push(line)
    bytes += size
    if (held.length === BATCH_ROWS || bytes >= BATCH_BYTES) yield take()
  }
  if (held.length > 0) yield take()
}

const PATIENCE = 60
const LONGEST_WAIT_MS = 10_000

/** Comes back when the server says so: the key keeps what was taken from being taken twice. */
async function sendPatiently(
  client: Client,
  path: string,
  bytes: Buffer,
  key: string,
  firstLine: number,
): Promise<{ readonly rows: number; readonly known: boolean }> {
  for (let tries = 1; ; tries++) {
    try {
      const headers = { 'idempotency-key': key }
      return await client.call(path, { method: 'POST', bytes, contentType: 'application/x-ndjson', headers })
    } catch (thrown) {
      const error = asRedoubtError(thrown)
      const { retryAfterMs } = error.evidence
      if (error.code === 'ERR_DATA_ROWS')
        throw new RedoubtError(error.code, `of the batch that begins in line ${firstLine}, ${error.message}`, { evidence: { ...error.evidence, firstLine } }) // prettier-ignore
      if (typeof retryAfterMs !== 'number' || tries >= PATIENCE) throw thrown
      await wait(Math.min(retryAfterMs, LONGEST_WAIT_MS))
    }
  }
}
