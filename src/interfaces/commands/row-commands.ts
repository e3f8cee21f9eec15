import { type Command, InvalidArgumentError } from 'commander'
import { demandAbsent } from './absent-file.ts'
import { table } from './output.ts'
import { run } from './program.ts'
import { saveFile } from './save-file.ts'

type Cell = string | number | null

interface Rows {
  readonly name: string
  readonly version: number
  readonly access: 'view' | 'viewMasked'
  readonly columns: readonly { readonly name: string; readonly type: string; readonly masked: boolean }[]
  readonly columnsHidden: boolean
  readonly rowCondition: string | null
  readonly rows: readonly (readonly Cell[])[]
  readonly more: boolean
}

interface Aggregate {
  readonly rows: number | null
  readonly mean?: number | null
  readonly groups?: readonly { readonly value: Cell; readonly rows: number; readonly mean?: number | null }[]
  readonly suppressed?: number
  readonly smallestGroup: number
}

const count = (text: string): number => {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1 || value > 1000) throw new InvalidArgumentError('a number from 1 to 1000')
  return value
}
const names = (text: string): readonly string[] => text.split(',').map((name) => name.trim())
const shown = (cell: Cell): string => (cell === null ? '' : String(cell))

/** Commands that show, count or take out rows. */
export function rowCommands(data: Command): void {
  data
    .command('rows <name>')
    .description('show the first rows that you may see, masked where you may see them masked only')
    .option('--limit <n>', 'how many, at most 1000', count, 20)
    .option('--columns <names>', 'these columns, separated by commas', names)
    .option('--masked', 'masked, although you may see the whole')
    .action(
      run<{ readonly limit: number; readonly columns?: readonly string[]; readonly masked?: boolean }>(
        async ({ client, output }, options, name) => {
          const query = new URLSearchParams({ limit: String(options.limit) })
          for (const column of options.columns ?? []) query.append('column', column)
          if (options.masked === true) query.set('masked', 'true')
          const answer = await client.call<Rows>(`/datasets/${encodeURIComponent(name ?? '')}/rows?${query.toString()}`)
          const headings = answer.columns.map((column) => (column.masked ? `${column.name} (masked)` : column.name))
          output.result(
            answer,
            `${table(
              headings,
              answer.rows.map((row) => row.map(shown)),
            )}\n\n${wordsOf(answer)}`,
          )
        },
      ),
    )

  data
    .command('query <name>')
    .description('count rows, by group if you like, with the mean of a column; small groups are not told, numbers are rounded')
    .option('--count', 'count the rows (this is what it does where nothing else is asked)')
    .option('--group-by <column>', 'count by the values of this column of text or whole numbers')
    .option('--mean <column>', 'the mean of this column')
    .action(
      run<{ readonly groupBy?: string; readonly mean?: string }>(async ({ client, output }, { groupBy, mean }, name) => {
        const json = { ...(groupBy === undefined ? {} : { groupBy }), ...(mean === undefined ? {} : { mean }) }
        const answer = await client.call<Aggregate>(`/datasets/${encodeURIComponent(name ?? '')}/query`, { method: 'POST', json })
        output.result(answer, aggregateWords(answer, groupBy, mean))
      }),
    )

  data
    .command('export <name>')
    .description('write all rows that you may take out to a CSV file')
    .requiredOption('--out <file>', 'the file to write; one that exists is not overwritten')
    .action(
      run<{ readonly out: string }>(async ({ client, output }, { out }, name) => {
        demandAbsent(out)
        const response = await client.download(`/datasets/${encodeURIComponent(name ?? '')}/export`, { method: 'POST' })
        const { digest, bytes } = await saveFile(response, out, (done) => output.progress('exporting', done, null, 'bytes'))
        output.progressDone()
        output.result({ file: out, bytes, sha256: digest }, `wrote ${bytes.toLocaleString('en')} bytes to \`${out}\`\nSHA-256 ${digest}`)
      }),
    )
}

function wordsOf(answer: Rows): string {
  const parts = [`${answer.rows.length} rows of \`${answer.name}\` version ${answer.version}${answer.more ? '; there may be more' : ''}`]
  if (answer.access === 'viewMasked') parts.push('you may see this data set masked')
  if (answer.columnsHidden) parts.push('there are columns that are hidden from you')
  if (answer.rowCondition !== null) parts.push(`policies let you see some rows only (condition ${answer.rowCondition.slice(0, 12)}…)`)
  return parts.join('\n')
}

function aggregateWords(answer: Aggregate, groupBy: string | undefined, mean: string | undefined): string {
  const few = `fewer than ${answer.smallestGroup}`
  const number = (value: number | null | undefined): string =>
    value === null || value === undefined ? `(${few})` : value.toLocaleString('en')
  const total = `${number(answer.rows)} rows${mean === undefined ? '' : `, mean of \`${mean}\` ${number(answer.mean)}`}`
  if (!answer.groups) return total
  const headings = [groupBy ?? '', 'rows', ...(mean === undefined ? [] : [`mean of ${mean}`])]
  const rows = answer.groups.map((group) => [
    group.value === null ? '(missing)' : String(group.value),
    group.rows.toLocaleString('en'),
    ...(mean === undefined ? [] : [number(group.mean)]),
  ])
  const left = answer.suppressed
    ? `\n${answer.suppressed} groups are left out: of ${few} people (or rows, where the data set does not say whom they are about), or telling of one that is`
    : ''
  return `${table(headings, rows)}\n\n${total}${left}`
}
