import { Command } from 'commander'
import { table } from './output.ts'
import { run } from './program.ts'
import { moment, named, sheet } from './words.ts'

interface Shown {
  readonly name: string
  readonly version: number
  readonly digest: string
  readonly columns: readonly { readonly name: string; readonly type: string; readonly nullable: boolean }[]
  readonly rows: number | null
  readonly sensitivity: string
  readonly purposes: readonly string[]
  readonly legalBasis: string
  readonly label: string | null
  readonly subject: string | null
  readonly createdAt: number
  readonly derivedFrom: {
    readonly transform: { readonly name: string; readonly version: number; readonly digest: string }
    readonly sources: readonly { readonly name: string; readonly version: number; readonly digest: string }[]
    readonly codeDigest: string
    readonly person: { readonly type: string; readonly id: string }
  } | null
}

/** `redoubt data show`: the latest version of a data set, and what it was made of. */
export function dataShowCommand(): Command {
  return new Command('show')
    .argument('<name>', 'name of the data set')
    .description('show the latest version of a data set: its facts, its columns, what it was made of; no rows')
    .action(
      run(async ({ client, output }, _options, name = '') => {
        const shown = await client.call<Shown>(`/datasets/${encodeURIComponent(name)}`)
        const columns = shown.columns.map((column) => [column.name, column.type, column.nullable ? 'may be missing' : ''])
        output.result(shown, `${sheet(factsOf(shown))}\n\n${table(['column', 'type', ''], columns)}`)
      }),
    )
}

function factsOf(shown: Shown): [name: string, value: string][] {
  const { derivedFrom: made } = shown
  return [
    ['data set', `${shown.name}, version ${shown.version}`],
    ['made', moment(shown.createdAt)],
    ['rows', shown.rows === null ? 'some, as far as policies let you see' : shown.rows.toLocaleString('en')],
    ['digest', shown.digest],
    ['sensitivity', shown.sensitivity],
    ['purposes', shown.purposes.join(', ')],
    ['legal basis', shown.legalBasis],
    ['label', shown.label ?? 'none'],
    ['rows are about', shown.subject ?? 'nobody'],
    ...(made === null
      ? []
      : ([
          ['made by', `transform ${made.transform.name}, version ${made.transform.version} (${made.transform.digest})`],
          ...made.sources.map((source) => ['made of', `${source.name}, version ${source.version} (${source.digest})`]),
          ['run by', named(made.person)],
          ['code', made.codeDigest],
        ] as [string, string][])),
  ]
}
