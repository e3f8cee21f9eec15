import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { basename } from 'node:path'
import { Command, Option } from 'commander'
import { RedoubtError, SENSITIVITIES } from '#foundation/core'
import { contentDigest } from './content-digest.ts'
import { explainRowCommand } from './explain-commands.ts'
import { table } from './output.ts'
import { run } from './program.ts'
import { repeated } from './repeated.ts'
import { wholeNumber } from './whole-number.ts'
import { moment, named } from './words.ts'

interface ModelVersion {
  readonly name: string
  readonly version: number
  readonly digest: string
  readonly bytes: number
  readonly foreign: boolean
  readonly signed: boolean
  readonly quarantined: boolean
  readonly deployed?: boolean
  readonly lineage: unknown
  /** What it learned from is not all there any more. */
  readonly erasedSince: { readonly state: 'rows' | 'shredded'; readonly at: number } | null
}

interface Deployment {
  readonly version: number
  readonly by: { readonly type: string; readonly id: string }
  readonly deployedAt: number
  readonly kind: 'deploy' | 'rollback'
  readonly environment: string
  readonly withdrawn: boolean
}

interface Shown {
  readonly name: string
  readonly deployed: number | null
  readonly rollbackTo: number | null
  readonly deployments: readonly Deployment[]
  readonly versions: readonly ModelVersion[]
}

const state = ({ quarantined, deployed, erasedSince }: ModelVersion): string =>
  [
    quarantined ? 'quarantined' : deployed ? 'deployed' : '',
    erasedSince ? (erasedSince.state === 'shredded' ? 'data shredded since' : 'rows erased since') : '',
  ]
    .filter((part) => part !== '')
    .join(', ')

export function modelCommands(): Command[] {
  const model = new Command('model').description('models from data to deployment')

  model
    .command('train')
    .description('train a model on a data set, sign it and register it')
    .requiredOption('--dataset <name>', 'data set to learn from')
    .addOption(
      new Option('--algorithm <algorithm>', 'kind of model: logistic regression, or a small neural network')
        .choices(['logistic', 'mlp'])
        .makeOptionMandatory(),
    )
    .requiredOption('--name <name>', 'name of the model')
    .addOption(new Option('--seed <n>', 'same data, code and seed give the same bytes').argParser(wholeNumber).default(1))
    .action(
      run<{ dataset: string; algorithm: string; name: string; seed: number }>(async ({ client, output }, options) => {
        const { dataset, algorithm, seed } = options
        const { model: version, metrics } = await client.long<{ model: ModelVersion; metrics: Record<string, unknown> }>(
          `/models/${encodeURIComponent(options.name)}/train`,
          {
            method: 'POST',
            json: { dataset, algorithm, seed },
            progress: (facts) => output.progress('training', Number(facts['epoch'] ?? 0), Number(facts['epochs'] ?? 0) || null, 'epochs'),
          },
        )
        output.progressDone()
        const words = Object.entries(metrics).map(
          ([name, value]) => `${name.padEnd(20)}${typeof value === 'number' ? Math.round(value * 1e4) / 1e4 : String(value)}`,
        )
        if (metrics['heldOutRows'] === 0) words.push('no rows were left over to measure it by: nothing says how good it is; train on more')
        output.result(
          { ...version, metrics },
          `trained \`${version.name}\` version ${version.version}\ndigest ${version.digest}\n${words.join('\n')}\nnext   redoubt model deploy ${version.name}`,
        )
      }),
    )

  model
    .command('register <file>')
    .description('register an ONNX file made elsewhere; it will run in a process without keys')
    .option('--name <name>', 'name of the model; that of the file unless given')
    .addOption(new Option('--sensitivity <level>', 'sensitivity of what it learned from').choices(SENSITIVITIES).default('restricted'))
    .addOption(
      new Option('--purpose <purpose>', 'what it may be used for, may be repeated; any stated purpose unless given')
        .argParser(repeated)
        .default([]),
    )
    .action(
      run<{ name?: string; sensitivity: string; purpose: readonly string[] }>(async ({ client, output }, options, file) => {
        if (file === undefined || !existsSync(file)) throw new RedoubtError('ERR_USAGE', `there is no file \`${file}\``)
        const query = new URLSearchParams({ sensitivity: options.sensitivity })
        const name = options.name ?? basename(file, '.onnx').toLowerCase()
        for (const purpose of options.purpose) query.append('purpose', purpose)
        const bytes = readFileSync(file)
        const { model: version } = await client.call<{ model: ModelVersion }>(
          `/models/${encodeURIComponent(name)}/versions?${query.toString()}`,
          {
            method: 'POST',
            bytes,
            headers: await contentDigest([bytes]),
            contentType: 'application/octet-stream',
          },
        )
        output.result(
          version,
          `registered \`${version.name}\` version ${version.version}\ndigest ${version.digest}\nnext   redoubt model deploy ${version.name}`,
        )
      }),
    )

  model
    .command('deploy <name>')
    .description('verify the signature over the very bytes that are loaded, then serve them')
    .addOption(new Option('--version <n>', 'version; the latest unless given').argParser(wholeNumber))
    .action(
      run<{ version?: number }>(async ({ client, output, place }, options, name) => {
        const { model: version } = await client.call<{ model: ModelVersion }>(`/models/${encodeURIComponent(name ?? '')}/deploy`, {
          method: 'POST',
          json: options.version === undefined ? {} : { version: options.version },
        })
        const url = `${place.url}/v2/models/${version.name}/infer`
        output.result({ ...version, deployed: true, url }, `deployed \`${version.name}\` version ${version.version}\nserves at ${url}`)
      }),
    )

  model
    .command('rollback <name>')
    .description('go back at once to an older version that was in service here; its signature is verified again')
    .addOption(new Option('--to <n>', 'version; the one that served before unless given').argParser(wholeNumber))
    .action(
      run<{ to?: number }>(async ({ client, output, place }, options, name) => {
        const answer = await client.call<{ model: ModelVersion; deployment: Deployment }>(
          `/models/${encodeURIComponent(name ?? '')}/rollback`,
          { method: 'POST', json: options.to === undefined ? {} : { version: options.to } },
        )
        const url = `${place.url}/v2/models/${answer.model.name}/infer`
        output.result(
          { ...answer.model, deployed: true, url },
          `went back to \`${answer.model.name}\` version ${answer.model.version}\nserves at ${url}`,
        )
      }),
    )

  model
    .command('show <name>')
    .description('show the versions of a model and what was in service when, by whom')
    .action(
      run(async ({ client, output }, _options, name) => {
        const answer = await client.call<Shown>(`/models/${encodeURIComponent(name ?? '')}`)
        const versions = answer.versions.map((version) => [
          String(version.version),
          version.foreign ? 'foreign' : 'own',
          state({ ...version, deployed: version.version === answer.deployed }),
          version.digest.slice(0, 16),
        ])
        const deployments = answer.deployments.map(({ deployedAt, kind, version, by, environment, withdrawn }) => [
          moment(deployedAt),
          kind,
          String(version),
          named(by),
          environment,
          withdrawn ? 'withdrawn by a quarantine' : '',
        ])
        const back =
          answer.rollbackTo === null ? '' : `\n\nback   redoubt model rollback ${answer.name}   goes to version ${answer.rollbackTo}`
        output.result(
          answer,
          `${table(['version', 'origin', 'state', 'digest'], versions)}\n\n${table(
            ['in service from (UTC)', 'act', 'version', 'by', 'environment', ''],
            deployments,
          )}${back}`,
        )
      }),
    )

  model.addCommand(explainRowCommand())

  model
    .command('quarantine <name>')
    .description('take a version out of service at once; running streams are cut')
    .requiredOption('--reason <words>', 'why; goes into the record')
    .addOption(new Option('--version <n>', 'version; the one that serves, else the latest, unless given').argParser(wholeNumber))
    .action(
      run<{ version?: number; reason: string }>(async ({ client, output }, options, name) => {
        const json = { reason: options.reason, ...(options.version === undefined ? {} : { version: options.version }) }
        output.result(
          await client.call(`/models/${encodeURIComponent(name ?? '')}/quarantine`, { method: 'POST', json }),
          `quarantined \`${name}\``,
        )
      }),
    )

  model
    .command('list')
    .description('list the models that you may view')
    .action(
      run(async ({ client, output }) => {
        const { models } = await client.call<{ models: readonly ModelVersion[] }>('/models')
        const rows = models.map((version) => [
          version.name,
          String(version.version),
          version.foreign ? 'foreign' : 'own',
          state(version),
          version.digest.slice(0, 16),
        ])
        output.result(models, table(['name', 'version', 'origin', 'state', 'digest'], rows))
      }),
    )

  model
    .command('lineage <name>')
    .description('show what each version was made of, and by whom')
    .action(
      run(async ({ client, output }, _options, name) => {
        const answer = await client.call<{ versions: readonly ModelVersion[] }>(`/models/${encodeURIComponent(name ?? '')}`)
        output.result(
          answer,
          answer.versions
            .map((version) => `version ${version.version}  ${version.digest}\n${JSON.stringify(version.lineage, null, 2)}`)
            .join('\n\n'),
        )
      }),
    )

  model
    .command('signature <name>')
    .description('fetch the OpenSSF Model Signing bundle of a version')
    .requiredOption('--version <n>', 'version')
    .option('--out <file>', 'write it to this file in place of the terminal')
    .action(
      run<{ version: string; out?: string }>(async ({ client, output }, options, name) => {
        const bundle = await client.call<unknown>(
          `/models/${encodeURIComponent(name ?? '')}/versions/${encodeURIComponent(options.version)}/signature`,
        )
        if (options.out === undefined) output.result(bundle, JSON.stringify(bundle, null, 2))
        else {
          writeFileSync(options.out, JSON.stringify(bundle))
          output.result({ out: options.out }, `written to ${options.out}`)
        }
      }),
    )

  model
    .command('remove <name>')
    .description('remove a model with all its versions')
    .action(
      run(async ({ client, output }, _options, name) => {
        output.result(await client.call(`/models/${encodeURIComponent(name ?? '')}`, { method: 'DELETE' }), `removed \`${name}\``)
      }),
    )
  return [model]
}
