import { readFileSync, statSync } from 'node:fs'
import { Command, Option } from 'commander'
import { type JsonValue, parseStrictJson, RedoubtError } from '#foundation/core'
import { table } from './output.ts'
import { run } from './program.ts'
import { wholeNumber } from './whole-number.ts'
import { named, sheet } from './words.ts'

interface Pipeline {
  readonly name: string
  readonly version: number
  readonly digest: string
  readonly builtIn: boolean
  readonly dataset: string | null
  readonly model: string | null
  readonly algorithm: string
  readonly parameters: object
  readonly leaveOut: readonly string[]
  readonly seed: number
  readonly author: { readonly type: string; readonly id: string }
  readonly createdAt: number
}
interface Trained {
  readonly model: { readonly name: string; readonly version: number; readonly digest: string }
  readonly metrics: Readonly<Record<string, unknown>>
}

const MAX_DEFINITION_BYTES = 512 * 1024
const MAX_DEFINITION_DEPTH = 8

export function pipelineCommands(): Command[] {
  const pipeline = new Command('pipeline').description(
    'training pipelines: what makes models, versioned, edited and run as a thing of its own',
  )

  pipeline
    .command('list')
    .description('list the pipelines that you may view')
    .action(
      run(async ({ client, output }) => {
        const { pipelines } = await client.call<{ pipelines: readonly Pipeline[] }>('/pipelines')
        const rows = pipelines.map((one) => [
          one.name,
          String(one.version),
          one.algorithm,
          one.dataset ?? 'as named',
          one.model ?? 'as named',
          one.digest.slice(0, 16),
        ])
        output.result(pipelines, table(['name', 'version', 'algorithm', 'data set', 'model', 'digest'], rows))
      }),
    )

  pipeline
    .command('show <name>')
    .description('show what each version does, and who wrote it')
    .addOption(new Option('--version <n>', 'version; the newest hundred unless given').argParser(wholeNumber))
    .action(
      run<{ version?: number }>(async ({ client, output }, { version }, name = '') => {
        const answer = await client.call<{ versions: readonly Pipeline[] }>(
          `${pathOf(name)}${version === undefined ? '' : `?version=${version}`}`,
        )
        output.result(answer, answer.versions.map(inWords).join('\n\n'))
      }),
    )

  pipeline
    .command('save <name> <file>')
    .description('save a new version from a JSON file; earlier versions stay as they are')
    .action(
      run(async ({ client, output }, _options, name = '', file = '') => {
        const { pipeline: saved } = await client.call<{ pipeline: Pipeline }>(pathOf(name), { method: 'PUT', json: definitionIn(file) })
        output.result(
          saved,
          `saved \`${saved.name}\` version ${saved.version}\ndigest ${saved.digest}\nnext   redoubt pipeline run ${saved.name}`,
        )
      }),
    )

  pipeline
    .command('run <name>')
    .description('run a version: train, sign and register the model that it names')
    .addOption(new Option('--version <n>', 'version; the latest unless given').argParser(wholeNumber))
    .option('--digest <digest>', 'digest of the version that you mean; another is refused')
    .addOption(new Option('--seed <n>', 'seed; the one of the pipeline unless given').argParser(wholeNumber))
    .action(
      run<{ version?: number; digest?: string; seed?: number }>(async ({ client, output }, { version, digest, seed }, name = '') => {
        const path = pathOf(name)
        if (name.includes('/')) throw new RedoubtError('ERR_USAGE', `\`${name}\` is built in; run it with \`redoubt model train\``)
        const json = {
          ...(version === undefined ? {} : { version }),
          ...(digest === undefined ? {} : { digest }),
          ...(seed === undefined ? {} : { seed }),
        }
        const { model, metrics } = await client.long<Trained>(`${path}/run`, {
          method: 'POST',
          json,
          progress: (facts) => output.progress('training', Number(facts['epoch'] ?? 0), Number(facts['epochs'] ?? 0) || null, 'epochs'),
        })
        output.progressDone()
        output.result(
          { ...model, metrics },
          `trained \`${model.name}\` version ${model.version} by \`${name}\`\ndigest ${model.digest}\nnext   redoubt model lineage ${model.name}`,
        )
      }),
    )
  return [pipeline]
}

/** A built-in pipeline has two parts in its name. @throws {RedoubtError} `ERR_USAGE` for what would lead elsewhere. */
function pathOf(name: string): string {
  if (!/^(?:redoubt\/)?[a-z0-9][a-z0-9._-]{0,62}$/.test(name))
    throw new RedoubtError('ERR_USAGE', `\`${name}\` is no name of a pipeline: \`redoubt pipeline list\` shows those that there are`)
  return `/pipelines/${name}`
}

/** @throws {RedoubtError} `ERR_USAGE` for no file or one that is too large, `ERR_INPUT_MALFORMED` and others for what is no JSON. */
function definitionIn(file: string): JsonValue {
  const size = statSync(file, { throwIfNoEntry: false })?.size
  if (size === undefined) throw new RedoubtError('ERR_USAGE', `there is no file \`${file}\``)
  if (size > MAX_DEFINITION_BYTES) throw new RedoubtError('ERR_USAGE', `\`${file}\` has more than ${MAX_DEFINITION_BYTES} bytes`)
  return parseStrictJson(readFileSync(file), { maxBytes: MAX_DEFINITION_BYTES, maxDepth: MAX_DEFINITION_DEPTH })
}

function inWords(pipeline: Pipeline): string {
  const { name, version, digest, builtIn, dataset, model, algorithm, parameters, leaveOut, seed, author, createdAt } = pipeline
  const lines: readonly (readonly [string, string])[] = [
    ['pipeline', `${name} version ${version}${builtIn ? ', built in' : ''}`],
    ['digest', digest],
    ['author', `${named(author)}${builtIn ? '' : `, ${new Date(createdAt).toISOString()}`}`],
    ['algorithm', `${algorithm} ${JSON.stringify(parameters)}`],
    ['data set', dataset ?? 'as named by whoever trains'],
    ['left out', leaveOut.length === 0 ? 'no column' : leaveOut.join(', ')],
    ['model', model ?? 'as named by whoever trains'],
    ['seed', String(seed)],
  ]
  return sheet(lines)
}
