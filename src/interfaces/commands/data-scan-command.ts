import { createReadStream, existsSync } from 'node:fs'
import { Command } from 'commander'
import { type DataScan, isMoreSensitive, RedoubtError, type Sensitivity, type TableScan } from '#foundation/core'
import { csvRecords } from './filter/csv.ts'
import { table } from './output.ts'
import { run } from './program.ts'

interface StoredScan {
  readonly name: string
  readonly version: number
  readonly given: Sensitivity
  readonly rowCondition: string | null
  readonly scan: DataScan
}

/** `redoubt data scan`: what the columns of a file or of a stored data set hold. */
export function dataScanCommand(): Command {
  return new Command('scan')
    .argument('<file-or-name>', 'a CSV file with a header, looked at here and sent nowhere; or the name of a stored data set')
    .description('say what personal data the columns hold: entities, special categories, sensitivity, subject; no value is shown')
    .action(
      run(async ({ client, output }, _options, place = '') => {
        if (isFile(place)) {
          const scan = await scanFile(place)
          output.result({ file: place, scan }, `\`${place}\`\n\n${scanWords(scan, null)}`)
          return
        }
        const answer = await client.call<StoredScan>(`/datasets/${encodeURIComponent(place)}/scan`)
        const some = answer.rowCondition === null ? '' : ', of which policies let you see some rows only'
        output.result(answer, `\`${answer.name}\` version ${answer.version}${some}\n\n${scanWords(answer.scan, answer.given)}`)
      }),
    )
}

/** A name of a data set has no slash and is no file here. @throws {RedoubtError} `ERR_USAGE` for a path where nothing is. */
function isFile(place: string): boolean {
  if (existsSync(place)) return true
  if (/[/\\]|\.csv$/iu.test(place)) throw new RedoubtError('ERR_USAGE', `there is no file \`${place}\``)
  return false
}

async function scanFile(path: string): Promise<DataScan> {
  const { columnScanner } = await import('#gateway/filters')
  let scan: TableScan | null = null
  let width = 0
  let number = 0
  for await (const record of csvRecords(createReadStream(path))) {
    number++
    if (scan === null) {
      scan = columnScanner.begin(record)
      width = record.length
      continue
    }
    if (record.length !== width)
      throw new RedoubtError('ERR_DATA_RAGGED', `record ${number} has ${record.length} fields, the header has ${width}`)
    scan.row(record)
  }
  if (scan === null || number < 2) throw new RedoubtError('ERR_DATA_MALFORMED', 'the file has no rows below its header')
  return scan.finish()
}

const percent = (share: number): string => (share > 0 && share < 0.01 ? '< 1 %' : `${Math.round(share * 100)} %`)

/**
 * @param given the sensitivity that was said at the import; null where none was.
 * @param subject the column that was named at the import; left out where none was.
 */
export function scanWords(scan: DataScan, given: string | null, subject?: string): string {
  const rows = scan.columns
    .filter(({ entities, categories }) => entities.length + categories.length > 0)
    .map(({ name, entities, categories, sensitivity }) => [
      name,
      entities.map(({ entity, share }) => `${entity} ${percent(share)}`).join(', '),
      categories.join(', '),
      sensitivity,
    ])
  const looked = `looked at ${scan.isSample ? 'a sample of ' : 'all '}${scan.rows.toLocaleString('en')} rows`
  const found = rows.length === 0 ? 'found nothing that points at a person' : table(['column', 'found', 'GDPR art. 9', 'calls for'], rows)
  const lines = [`${looked}; what is not found may still be there`, found]
  if (scan.subject !== null && subject === undefined)
    lines.push(`\`${scan.subject}\` looks like the column that says whom each row is about (\`--subject\`)`)
  if (given !== null && isMoreSensitive(scan.sensitivity, given as Sensitivity))
    lines.push(
      `WARNING: this calls for the sensitivity \`${scan.sensitivity}\`, and it was imported as \`${given}\`: policies protect it as that. Import it again with \`--sensitivity ${scan.sensitivity}\`, or see that it is right.`,
    )
  else if (given === null)
    lines.push(`suggested: \`--sensitivity ${scan.sensitivity === 'public' ? 'internal' : scan.sensitivity}\` or stricter`)
  return lines.join('\n\n')
}
