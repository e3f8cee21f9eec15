import { createReadStream, existsSync } from 'node:fs'
import { type Command, InvalidArgumentError, Option } from 'commander'
import { RedoubtError } from '#foundation/core'
import type { ExportVerdict } from '#trust/audit'
import { demandAbsent } from './absent-file.ts'
import type { Output } from './output.ts'
import { EXIT, run } from './program.ts'
import { saveFile } from './save-file.ts'

type Filters = Readonly<Partial<Record<(typeof FILTERS)[number], string | number>>>
const FILTERS = ['type', 'actor', 'resource', 'requestId', 'subject', 'code', 'outcome', 'from', 'to'] as const

const instant = (text: string): number => {
  const value = Date.parse(text)
  if (Number.isNaN(value)) throw new InvalidArgumentError('a time is written in ISO 8601, such as 2026-01-31T08:00:00Z')
  return value
}

/** What entries are looked for by, the same for finding them and for taking them out. */
export function withFilters(command: Command): Command {
  return command
    .option('--type <type>', 'kind of event, such as `inference.completion`, `key.unwrap` or `model.deploy`')
    .option('--actor <actor>', 'who did it, such as `ServiceAccount::scoring-app`')
    .option('--resource <resource>', 'on what, such as `Model::credit`')
    .option('--request-id <id>', 'the `x-request-id` of an answer')
    .option('--subject <subject>', 'the person whom it concerns, as calls and data name them')
    .option('--code <code>', 'reason of a refusal, such as `ERR_POLICY_PURPOSE`')
    .addOption(new Option('--outcome <outcome>', 'how it ended').choices(['success', 'refused', 'failed']))
    .addOption(new Option('--from <time>', 'not before this time, ISO 8601').argParser(instant))
    .addOption(new Option('--to <time>', 'not after this time, ISO 8601').argParser(instant))
}

/** The filters that were given, as the control plane takes them. */
export function filterQuery(options: Filters): URLSearchParams {
  const query = new URLSearchParams()
  for (const filter of FILTERS) if (options[filter] !== undefined) query.set(filter, String(options[filter]))
  return query
}

export function addExportCommand(audit: Command): void {
  withFilters(
    audit
      .command('export')
      .description('write entries to a file that anyone can verify offline: all between two times, or those that fit other filters')
      .requiredOption('--out <file>', 'the file to write; one that exists is not overwritten'),
  ).action(
    run<{ readonly out: string } & Filters>(async ({ client, output }, { out, ...options }) => {
      demandAbsent(out)
      const query = filterQuery(options).toString()
      const response = await client.download(`/audit/export${query === '' ? '' : `?${query}`}`)
      const { digest, bytes } = await saveFile(response, out, (done) => output.progress('exporting', done, null, 'bytes'))
      output.progressDone()
      const { verifyExport } = await import('#trust/audit')
      const verdict = await verifyExport(createReadStream(out))
      output.result({ file: out, bytes, sha256: digest, verdict }, `wrote \`${out}\`: ${wordsOf(verdict)}`)
      if (verdict.verifierKey !== null) output.note(`verify with  redoubt audit verify --export ${out} --key '${verdict.verifierKey}'`)
      return verdict.ok ? EXIT.done : EXIT.refused
    }),
  )
}

/** @param key of the log, or undefined where only the file's own is at hand. @returns the exit code. */
export async function verifyExportFile(
  output: Output,
  path: string,
  key: string | undefined,
  witnesses: readonly string[],
): Promise<number> {
  if (!existsSync(path)) throw new RedoubtError('ERR_USAGE', `there is no file \`${path}\``)
  const { verifyExport } = await import('#trust/audit')
  const verdict = await verifyExport(createReadStream(path), { witnesses, ...(key === undefined ? {} : { verifierKey: key }) })
  output.result(verdict, wordsOf(verdict))
  if (verdict.keyOfFile && verdict.verifierKey !== null)
    output.note(
      `ONLY THE FILE VOUCHES FOR ITS KEY: this shows that the file is of one piece, not whose log it is from.\nIt names  ${verdict.verifierKey}\nCompare that with a key from elsewhere, or give it with \`--key\`.`,
    )
  return verdict.ok ? EXIT.done : EXIT.refused
}

function wordsOf(verdict: ExportVerdict): string {
  const { ok, findings, kind, entries, first, end, size, origin } = verdict
  if (!ok)
    return `TAMPERED WITH, or not whole\n${findings.map((each) => `  ${each.kind.padEnd(10)} ${each.message}${each.line === undefined ? '' : ` (line ${each.line})`}`).join('\n')}`
  const which =
    kind === 'selection'
      ? `a selection of ${entries} entries of \`${origin}\`, each proved by itself; what was not chosen is not in it`
      : entries === 0
        ? `no entry of \`${origin}\` has such a time`
        : `all ${entries} entries of \`${origin}\` from ${first} to ${end - 1}`
  return `verified: ${which}, in a tree of ${size}`
}
