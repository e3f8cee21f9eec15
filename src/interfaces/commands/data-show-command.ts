import { Command } from 'commander'
import { type EntityUid, RedoubtError } from '#foundation/core'
import { table } from './output.ts'
import { run } from './program.ts'
import { named, sheet } from './words.ts'

interface MadeOf {
  readonly name: string
  readonly version: number
  readonly digest: string
}

/** Of whose rows and columns only what may be known is told. */
interface ShownVersion {
  readonly name: string
  readonly version: number
  readonly digest: string
  readonly rows: number | null
  readonly sensitivity: string
  readonly purposes: readonly string[]
  readonly columns: readonly { readonly name: string; readonly type: string }[]
  readonly derivedFrom: {
    readonly transform: MadeOf
    readonly sources: readonly MadeOf[]
    readonly codeDigest: string
    readonly person: EntityUid
  } | null
}

/** `data show`: the latest version of a data set, and what it was made of. */
export function dataShowCommand(): Command {
  return new Command('show')
    .argument('<name>')
    .description('show the latest version of a data set, and of what a transform made it')
    .action(
      run(async ({ client, output }, _options, name) => {
        if (name === undefined) throw new RedoubtError('ERR_USAGE', 'name a data set')
        const version = await client.call<ShownVersion>(`/datasets/${encodeURIComponent(name)}`)
        const columns = version.columns.map((column) => [column.name, column.type])
        output.result(version, `${sheet(factsOf(version))}\n\n${table(['column', 'type'], columns)}`)
      }),
    )
}

function factsOf({ derivedFrom, ...version }: ShownVersion): readonly (readonly [string, string])[] {
  const facts: (readonly [string, string])[] = [
    ['data set', `${version.name} version ${version.version}`],
    ['digest', version.digest],
    ['rows', version.rows === null ? 'some' : version.rows.toLocaleString('en')],
    ['sensitive', version.sensitivity],
    ['purposes', version.purposes.join(', ')],
  ]
  if (derivedFrom === null) return facts
  const { transform, sources, codeDigest, person } = derivedFrom
  return [
    ...facts,
    ['made by', `transform ${inWords(transform)}, run by ${named(person)}`],
    ...sources.map((source) => ['made of', inWords(source)] as const),
    ['code', codeDigest],
  ]
}

const inWords = ({ name, version, digest }: MadeOf): string => `${name} version ${version} (${digest.slice(0, 16)})`
