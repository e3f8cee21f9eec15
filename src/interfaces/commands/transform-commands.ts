import { readFileSync, statSync } from 'node:fs'
import { Command, Option } from 'commander'
import { type JsonValue, parseStrictJson, RedoubtError } from '#foundation/core'
import { table } from './output.ts'
import { run } from './program.ts'
import { wholeNumber } from './whole-number.ts'
import { moment, named, sheet } from './words.ts'

interface Transform {
  readonly name: string
  readonly version: number
  readonly digest: string
  readonly definition: { readonly from: unknown; readonly steps: readonly object[]; readonly to: { readonly dataset: string } }
  readonly author: { readonly type: string; readonly id: string }
  readonly createdAt: number
}
interface Run {
  readonly id: string
  readonly transform: { readonly name: string; readonly version: number }
  readonly target: string
  readonly by: { readonly type: string; readonly id: string }
  readonly state: string
  readonly rows: number
  readonly beganAt: number
  readonly made: number | null
  readonly code: string | null
}
interface Checked {
  readonly dataset: string
  readonly columns: readonly { readonly name: string; readonly type: string; readonly masked: boolean }[]
  readonly subject: string | null
  readonly sensitivity: string
  readonly purposes: readonly string[]
  readonly legalBasis: string
  readonly sources: readonly { readonly name: string; readonly version: number }[]
}
interface Made {
  readonly name: string
  readonly version: number
  readonly digest: string
  readonly rows: number
}

const MAX_DEFINITION_BYTES = 512 * 1024
const MAX_DEFINITION_DEPTH = 12

export function transformCommands(): Command[] {
  const transform = new Command('transform').description(
    'transforms: what makes data sets of other data sets, in a thread that has their rows alone',
  )

  transform
    .command('list')
    .description('list the transforms that you may view')
    .action(
      run(async ({ client, output }) => {
        const { transforms } = await client.call<{ transforms: readonly Transform[] }>('/transforms')
        const rows = transforms.map((one) => [
          one.name,
          String(one.version),
          sourcesIn(one).join(', '),
          one.definition.to.dataset,
          one.digest.slice(0, 16),
        ])
        output.result(transforms, table(['name', 'version', 'reads', 'writes', 'digest'], rows))
      }),
    )

  transform
    .command('show <name>')
    .description('show what each version does, and who wrote it')
    .addOption(new Option('--version <n>', 'version; the newest hundred unless given').argParser(wholeNumber))
    .action(
      run<{ version?: number }>(async ({ client, output }, { version }, name = '') => {
        const answer = await client.call<{ versions: readonly Transform[] }>(
          `${pathOf(name)}${version === undefined ? '' : `?version=${version}`}`,
        )
        output.result(answer, answer.versions.map(inWords).join('\n\n'))
      }),
    )

  transform
    .command('check <file>')
    .description('show what would come out of a YAML or JSON file, or the place of its first fault; nothing is run')
    .action(
      run(async ({ client, output }, _options, file = '') => {
        const checked = await client.call<Checked>('/transforms/check', { method: 'POST', json: await definitionIn(file) })
        const facts = sheet([
          ['data set', checked.dataset],
          ['made of', checked.sources.map((source) => `${source.name} version ${source.version}`).join(', ')],
          ['sensitivity', checked.sensitivity],
          ['purposes', checked.purposes.join(', ')],
          ['legal basis', checked.legalBasis],
          ['rows are about', checked.subject ?? 'nobody'],
        ])
        const rows = checked.columns.map(({ name, type, masked }) => [name, type, masked ? 'masked' : ''])
        output.result(checked, `${facts}\n\n${table(['column', 'type', ''], rows)}`)
      }),
    )

  transform
    .command('save <name> <file>')
    .description('save a new version from a YAML or JSON file; earlier versions stay as they are')
    .action(
      run(async ({ client, output }, _options, name = '', file = '') => {
        const json = await definitionIn(file)
        const { transform: saved } = await client.call<{ transform: Transform }>(pathOf(name), { method: 'PUT', json })
        output.result(
          saved,
          `saved \`${saved.name}\` version ${saved.version}\ndigest ${saved.digest}\nnext   redoubt transform run ${saved.name}`,
        )
      }),
    )

  transform
    .command('run <name>')
    .description('run a version: read its data sets, write the next version of the one that it makes; an interrupt cancels it')
    .addOption(new Option('--version <n>', 'version; the latest unless given').argParser(wholeNumber))
    .option('--digest <digest>', 'digest of the version that you mean; another is refused')
    .action(
      run<{ version?: number; digest?: string }>(async ({ client, output }, { version, digest }, name = '') => {
        const json = { ...(version === undefined ? {} : { version }), ...(digest === undefined ? {} : { digest }) }
        let told = false
        const made = await client.long<Made>(`${pathOf(name)}/run`, {
          method: 'POST',
          json,
          progress({ run: id, rows = 0 }) {
            if (!told) output.note(`run ${id}; to end it: redoubt transform cancel ${id}`)
            told = true
            output.progress('transforming', Number(rows), null, 'rows')
          },
        })
        output.progressDone()
        output.result(
          made,
          `made \`${made.name}\` version ${made.version}, ${made.rows} rows\ndigest ${made.digest}\nnext   redoubt data show ${made.name}`,
        )
      }),
    )

  transform
    .command('runs')
    .description('list runs that wait, go on or ended lately: your own, and those that you may cancel')
    .action(
      run(async ({ client, output }) => {
        const { runs } = await client.call<{ runs: readonly Run[] }>('/transform-runs')
        const rows = runs.map((one) => [
          one.id,
          stateIn(one),
          `${one.transform.name} version ${one.transform.version}`,
          one.target,
          String(one.rows),
          moment(one.beganAt),
          named(one.by),
        ])
        output.result(runs, runs.length === 0 ? 'no runs' : table(['run', 'state', 'of', 'writes', 'rows', 'began', 'by'], rows))
      }),
    )

  transform
    .command('cancel <run>')
    .description('end a run before it has made anything; waits until nothing of it is left')
    .action(
      run(async ({ client, output }, _options, id = '') => {
        if (!/^run_[A-Za-z0-9_-]{22}$/.test(id))
          throw new RedoubtError('ERR_USAGE', `\`${id}\` is no id of a run: \`redoubt transform runs\` shows them`)
        const { run: cancelled } = await client.call<{ run: Run }>(`/transform-runs/${id}/cancel`, { method: 'POST' })
        output.result(
          cancelled,
          `the run ${id} ${cancelled.state === 'cancelled' ? 'is cancelled' : `ended with ${cancelled.code}`}; nothing was made`,
        )
      }),
    )
  return [transform]
}

const stateIn = ({ state, made, code }: Run): string =>
  made === null ? (state === 'failed' ? `failed: ${code}` : state) : `made version ${made}`

/** @throws {RedoubtError} `ERR_USAGE` for what would lead elsewhere. */
function pathOf(name: string): string {
  if (!/^[a-z0-9][a-z0-9._-]{0,62}$/.test(name))
    throw new RedoubtError('ERR_USAGE', `\`${name}\` is no name of a transform: \`redoubt transform list\` shows those that there are`)
  return `/transforms/${name}`
}

/** @throws {RedoubtError} `ERR_USAGE` for no file, one that is too large, or one that is neither JSON nor YAML. */
async function definitionIn(file: string): Promise<JsonValue> {
  const size = statSync(file, { throwIfNoEntry: false })?.size
  if (size === undefined) throw new RedoubtError('ERR_USAGE', `there is no file \`${file}\``)
  if (size > MAX_DEFINITION_BYTES) throw new RedoubtError('ERR_USAGE', `\`${file}\` has more than ${MAX_DEFINITION_BYTES} bytes`)
  const bounds = { maxBytes: 2 * MAX_DEFINITION_BYTES, maxDepth: MAX_DEFINITION_DEPTH }
  const bytes = readFileSync(file)
  if (file.endsWith('.json')) return parseStrictJson(bytes, bounds)
  const { parseDocument } = await import('yaml')
  const document = parseDocument(bytes.toString('utf8'), { uniqueKeys: true })
  const [fault] = document.errors
  if (fault) throw new RedoubtError('ERR_USAGE', `\`${file}\`: ${fault.message.split('\n')[0]}`)
  try {
    return parseStrictJson(Buffer.from(JSON.stringify(document.toJS({ maxAliasCount: 0 }))), bounds)
  } catch (cause) {
    throw new RedoubtError('ERR_USAGE', `\`${file}\` is no definition of a transform: it uses anchors, or is nested too deeply`, { cause })
  }
}

function sourcesIn({ definition }: Transform): readonly string[] {
  const joined = definition.steps.flatMap((step) => ('join' in step ? [(step.join as { with: unknown }).with] : []))
  return [definition.from, ...joined].map((source) => (typeof source === 'string' ? source : (source as { dataset: string }).dataset))
}

function inWords(transform: Transform): string {
  const { name, version, digest, definition, author, createdAt } = transform
  const steps = definition.steps.map((step): readonly [string, string] => {
    const [kind = '', what] = Object.entries(step)[0] ?? []
    return [kind, typeof what === 'string' ? what : JSON.stringify(what)]
  })
  return sheet([
    ['transform', `${name} version ${version}`],
    ['digest', digest],
    ['author', `${named(author)}, ${new Date(createdAt).toISOString()}`],
    ['reads', sourcesIn(transform).join(', ')],
    ...steps,
    ['writes', definition.to.dataset],
  ])
}
