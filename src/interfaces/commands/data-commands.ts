import { existsSync, statSync } from 'node:fs'
import { Command, Option } from 'commander'
import { type DataScan, LEGAL_BASES, RedoubtError, SENSITIVITIES } from '#foundation/core'
import { protectionCommands } from './confidential-commands.ts'
import { chunksOf, fileDigest } from './content-digest.ts'
import { collectionCommands } from './collection-commands.ts'
import { dataScanCommand, scanWords } from './data-scan-command.ts'
import { dataShowCommand } from './data-show-command.ts'
import { erasureCommands } from './erasure-commands.ts'
import { table } from './output.ts'
import { run } from './program.ts'
import { repeated } from './repeated.ts'
import { rowCommands } from './row-commands.ts'

interface DatasetVersion {
  readonly name: string
  readonly version: number
  readonly rows: number
  readonly digest: string
  readonly columns: readonly { readonly name: string; readonly type: string; readonly nullable: boolean }[]
  readonly sensitivity: string
  readonly purposes: readonly string[]
  readonly label: string | null
}

/** Of whose rows and columns only what may be known is told. */
type ListedVersion = Omit<DatasetVersion, 'rows'> & { readonly rows: number | null }

interface Imported extends DatasetVersion {
  readonly scan?: DataScan
}

interface ImportOptions {
  readonly name: string
  readonly label?: string
  readonly subject?: string
  readonly sensitivity: string
  readonly purpose: readonly string[]
  readonly legalBasis: string
  readonly strict?: boolean
}

export function dataCommands(): Command[] {
  const data = new Command('data').description(
    'data sets: import, collect, append, list, show, scan, rows, query, export, protect, canary, erase, hold, shred, remove',
  )

  data
    .command('import <file>')
    .description('import a CSV file with a header, as encrypted row groups')
    .requiredOption('--name <name>', 'name of the data set')
    .option('--label <column>', 'column that models will predict: 0 or 1')
    .option('--subject <column>', 'column that names the person of each row; never a feature of a model')
    .addOption(new Option('--sensitivity <level>', 'how sensitive the rows are').choices(SENSITIVITIES).makeOptionMandatory())
    .addOption(
      new Option('--purpose <purpose>', 'what the data were collected for, may be repeated').argParser(repeated).makeOptionMandatory(),
    )
    .addOption(
      new Option('--legal-basis <basis>', 'on which they were collected, GDPR art. 6(1)').choices(LEGAL_BASES).makeOptionMandatory(),
    )
    .option('--strict', 'refuse the file when what is found in it calls for more than that sensitivity')
    .action(
      run<ImportOptions>(async ({ client, output }, options, file) => {
        if (file === undefined || !existsSync(file)) throw new RedoubtError('ERR_USAGE', `there is no file \`${file}\``)
        const total = statSync(file).size
        const query = new URLSearchParams({ sensitivity: options.sensitivity, legalBasis: options.legalBasis })
        for (const purpose of options.purpose) query.append('purpose', purpose)
        if (options.label !== undefined) query.set('label', options.label)
        if (options.subject !== undefined) query.set('subject', options.subject)
        if (options.strict === true) query.set('strict', 'true')
        const version = await client.long<Imported>(`/datasets/${encodeURIComponent(options.name)}/versions?${query.toString()}`, {
          method: 'POST',
          stream: chunksOf(file),
          headers: await fileDigest([file], () => chunksOf(file)),
          contentType: 'text/csv',
          progress: (facts) =>
            output.progress(
              'importing',
              Number(facts['bytes'] ?? 0),
              total,
              `bytes, ${Number(facts['rows'] ?? 0).toLocaleString('en')} rows`,
            ),
        })
        output.progressDone()
        const columns = version.columns.map((column) => [column.name, column.type, column.nullable ? 'may be missing' : ''])
        output.result(
          version,
          `imported \`${version.name}\` version ${version.version}: ${version.rows.toLocaleString('en')} rows\ndigest ${version.digest}\n\n${table(['column', 'type', ''], columns)}${version.scan ? `\n\n${scanWords(version.scan, version.sensitivity, options.subject)}` : ''}`,
        )
      }),
    )

  data
    .command('list')
    .description('list the data sets of which you may see or learn something')
    .action(
      run(async ({ client, output }) => {
        const { datasets } = await client.call<{ datasets: readonly ListedVersion[] }>('/datasets')
        const rows = datasets.map((version) => [
          version.name,
          String(version.version),
          version.rows === null ? 'some' : version.rows.toLocaleString('en'),
          version.sensitivity,
          version.purposes.join(','),
        ])
        output.result(datasets, table(['name', 'version', 'rows', 'sensitivity', 'purposes'], rows))
      }),
    )

  data.addCommand(dataShowCommand())
  data.addCommand(dataScanCommand())
  rowCommands(data)
  collectionCommands(data)
  protectionCommands(data)
  erasureCommands(data)

  data
    .command('remove <name>')
    .description('remove a data set with all its versions')
    .action(
      run(async ({ client, output }, _options, name) => {
        output.result(await client.call(`/datasets/${encodeURIComponent(name ?? '')}`, { method: 'DELETE' }), `removed \`${name}\``)
      }),
    )
  return [data]
}
