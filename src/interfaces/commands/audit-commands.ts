import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Command, InvalidArgumentError, Option } from 'commander'
import { type JsonObject, RedoubtError } from '#foundation/core'
import type { Finding, Verdict, VerifyLogOptions } from '#trust/audit'
import { addExportCommand, filterQuery, verifyExportFile, withFilters } from './audit-export-commands.ts'
import { table } from './output.ts'
import { EXIT, portNumber, run } from './program.ts'
import { repeated } from './repeated.ts'
import { LOG_KEY_FILE } from './place.ts'
import { runWitness } from './run-witness.ts'

interface Found {
  readonly entries: readonly { readonly index: number; readonly event: JsonObject }[]
  readonly next: number | null
}

interface Proof {
  readonly index: number
  readonly proof: string
  readonly entry: string
  readonly verifierKey: string
}

/** Of verifying a log that is being written. */
const MAX_ATTEMPTS = 10
const TAIL_INTERVAL_MS = 1_000
const index = (text: string): number => {
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value < 0) throw new InvalidArgumentError('an index is a whole number')
  return value
}

const name = (value: unknown): string => {
  const { type, id } = (value ?? {}) as { type?: string; id?: string }
  return type === undefined ? '-' : `${type}::${id}`
}
/** Most actors are service accounts: their names alone leave room for what they acted on. */
const actorOf = (value: unknown): string => name(value).replace(/^ServiceAccount::/, '')
const word = (value: unknown): string => (typeof value === 'string' ? value : '-')
const rowOf = ({ index, event }: Found['entries'][number]): string[] => [
  String(index),
  typeof event['time'] === 'number' ? new Date(event['time']).toISOString().slice(5, 19).replace('T', ' ') : '-',
  word(event['type']),
  word(event['code'] ?? event['outcome']),
  actorOf(event['actor']),
  name(event['resource']),
]
const HEADINGS = ['index', 'time (UTC)', 'event', 'outcome', 'actor', 'resource']

export function auditCommands(): Command[] {
  const audit = new Command('audit').description('the record: search, export, prove, verify, witness')

  withFilters(audit.command('search').description('search the log, latest first; all filters given must fit'))
    .addOption(new Option('--before <index>', 'only entries before this index, to page on').argParser(index))
    .addOption(new Option('--limit <n>', 'at most so many, up to 1000').argParser(index).default(50))
    .action(
      run<Record<string, string | number>>(async ({ client, output }, options) => {
        const query = filterQuery(options)
        for (const bound of ['before', 'limit']) if (options[bound] !== undefined) query.set(bound, String(options[bound]))
        const found = await client.call<Found>(`/audit/entries?${query.toString()}`)
        const more = found.next === null ? '' : `\nmore   --before ${found.next}`
        output.result(found, `${table(HEADINGS, found.entries.map(rowOf))}${more}`)
      }),
    )

  audit
    .command('tail')
    .description('follow the log until interrupted; with --json one entry a line')
    .action(
      run(async ({ client, output }) => {
        let seen = -1
        for (;;) {
          const { entries } = await client.call<Found>(`/audit/entries?limit=${seen < 0 ? 10 : 1000}`)
          for (const entry of [...entries].reverse().filter((entry) => entry.index > seen)) {
            if (output.json) output.line(JSON.stringify(entry))
            else output.result(entry, rowOf(entry).join('  '))
            seen = entry.index
          }
          await new Promise((resolve) => setTimeout(resolve, TAIL_INTERVAL_MS))
        }
      }),
    )

  audit
    .command('show <index>')
    .description('show one entry, with its personal fields where these can still be opened')
    .action(
      run(async ({ client, output }, _options, at) => {
        const entry = await client.call<unknown>(`/audit/entries/${encodeURIComponent(at ?? '')}`)
        output.result(entry, JSON.stringify(entry, null, 2))
      }),
    )

  audit
    .command('prove <index>')
    .description('fetch a self-contained proof that the log contains an entry')
    .option('--out <name>', 'write the entry and its proof to `<name>.entry` and `<name>.tlog-proof`')
    .action(
      run<{ out?: string }>(async ({ client, output }, options, at) => {
        const proof = await client.call<Proof>(`/audit/entries/${encodeURIComponent(at ?? '')}/proof`)
        if (options.out !== undefined) {
          writeFileSync(`${options.out}.entry`, proof.entry)
          writeFileSync(`${options.out}.tlog-proof`, proof.proof)
        }
        const next =
          options.out === undefined
            ? ''
            : `\nnext  redoubt audit verify --proof ${options.out}.tlog-proof --entry ${options.out}.entry --key '${proof.verifierKey}'`
        output.result(proof, `${proof.proof}${next}`)
      }),
    )

  addExportCommand(audit)

  audit
    .command('key')
    .description('print the verifier key of the log: keep it where the log is not')
    .action(
      run(async ({ client, output }) => {
        const log = await client.call<{ verifierKey: string; size: number; checkpoint: string }>('/audit/log')
        output.result(log, log.verifierKey)
      }),
    )

  audit
    .command('checkpoint')
    .description('fetch the latest checkpoint with the cosignatures of its witnesses: keep it where the log is not')
    .option('--out <file>', 'write it to a file')
    .action(
      run<{ out?: string }>(async ({ client, output }, options) => {
        const { body } = await client.raw('/log/checkpoint', { headers: { authorization: '' } })
        const checkpoint = body.toString('utf8')
        if (options.out !== undefined) writeFileSync(options.out, checkpoint)
        output.result({ checkpoint }, options.out === undefined ? checkpoint : `written to ${options.out}`)
      }),
    )

  audit
    .command('verify')
    .description('verify a log folder, an exported file or one proof, offline and without secrets')
    .option('--log <dir>', 'folder of the log; that in the data directory unless given')
    .option(
      '--key <vkey>',
      'verifier key of the log, or a file with it; unless given, `log.vkey` in the data directory, and for an exported file the one that it names',
    )
    .option('--checkpoint <file>', 'a checkpoint kept from earlier, best one that a witness cosigned')
    .addOption(
      new Option('--witness <vkey>', 'verifier key of a witness that must have cosigned, may be repeated')
        .argParser(repeated)
        .default([], 'none'),
    )
    .option('--export <file>', 'verify this exported file instead of a log')
    .option('--proof <file>', 'verify this proof instead of a log')
    .option('--entry <file>', 'the entry that the proof is about')
    .action(
      run<VerifyOptions>(async ({ output, place }, options) => {
        const witnesses = options.witness
        const vkeyFile = join(place.dataDir, LOG_KEY_FILE)
        if (options.export !== undefined) {
          if (options.checkpoint !== undefined || options.log !== undefined || options.proof !== undefined)
            throw new RedoubtError('ERR_USAGE', '`--export` goes with `--key` and `--witness` alone')
          const given = options.key === undefined ? undefined : await wellFormedKey(keyOf(options.key, vkeyFile))
          return verifyExportFile(output, options.export, given, witnesses)
        }
        const key = await wellFormedKey(keyOf(options.key, vkeyFile))
        if (options.proof !== undefined) {
          if (options.entry === undefined) throw new RedoubtError('ERR_USAGE', '`--proof` goes with `--entry`: name both')
          const { verifyProof } = await import('#trust/audit')
          const verdict = verifyProof(read(options.proof).toString('utf8'), read(options.entry), key, witnesses)
          output.result(
            verdict,
            verdict.ok
              ? `the log contains the entry at index ${verdict.index}, in a tree of ${verdict.size}`
              : `NOT PROVED: ${verdict.reason}`,
          )
          return verdict.ok ? EXIT.done : EXIT.refused
        }
        const path = options.log ?? join(place.dataDir, 'log')
        if (!existsSync(path)) throw new RedoubtError('ERR_USAGE', `there is no log folder \`${path}\`: name one with \`--log\``)
        const older = options.checkpoint === undefined ? {} : { olderCheckpoint: read(options.checkpoint).toString('utf8') }
        const verdict = await verifyFolder(path, { verifierKey: key, witnesses, ...older })
        output.result(
          verdict,
          verdict.ok
            ? `verified: ${verdict.checked.entries} entries, tree of ${verdict.size}, root ${verdict.root}`
            : `TAMPERED WITH\n${verdict.findings.map(findingLine).join('\n')}`,
        )
        if (options.checkpoint === undefined)
          output.note('without an older checkpoint (`--checkpoint`) only the log’s own signature vouches for it')
        return verdict.ok ? EXIT.done : EXIT.refused
      }),
    )

  audit
    .command('witness')
    .description('run a witness, anywhere: it cosigns checkpoints that extend what it saw before')
    .requiredOption('--folder <dir>', 'where the witness keeps its key and what it has seen')
    .addOption(new Option('--log <vkey>', 'verifier key of a log to follow, may be repeated').argParser(repeated).makeOptionMandatory())
    .option('--name <name>', 'its name in cosignatures', 'witness.local')
    .option('--host <address>', 'address to listen on', '127.0.0.1')
    .addOption(new Option('--listen <port>', 'port to listen on; 0 takes a free one').argParser(portNumber).default(0))
    .option('--once', 'print the address and keys, then end')
    .action(run<Parameters<typeof runWitness>[1]>(async (session, options) => runWitness(session, options)))
  return [audit]
}

interface VerifyOptions {
  readonly log?: string
  readonly key?: string
  readonly checkpoint?: string
  readonly witness: readonly string[]
  readonly export?: string
  readonly proof?: string
  readonly entry?: string
}

/** A server that writes meanwhile replaces partial tiles: a finding counts when the checkpoint stood still while it was made. */
async function verifyFolder(path: string, options: Omit<VerifyLogOptions, 'read'>): Promise<Verdict> {
  const { nodeFolder } = await import('#foundation/storage')
  const { verifyLog } = await import('#trust/audit')
  const folder = nodeFolder(path)
  const read = (resource: string): Uint8Array | null => folder.read(resource)
  for (let attempt = 1; ; attempt++) {
    const before = read('checkpoint')
    const verdict = await verifyLog({ ...options, read })
    const after = read('checkpoint')
    if (verdict.ok || attempt === MAX_ATTEMPTS || Buffer.compare(before ?? Buffer.alloc(0), after ?? Buffer.alloc(0)) === 0) return verdict
  }
}

const findingLine = (finding: Finding): string =>
  `  ${finding.kind.padEnd(10)} ${finding.message}${finding.path === undefined ? '' : ` (${finding.path})`}`

function keyOf(given: string | undefined, fallback: string): string {
  if (given !== undefined && !existsSync(given)) return given.trim()
  const path = given ?? fallback
  if (!existsSync(path)) throw new RedoubtError('ERR_USAGE', 'name the verifier key of the log with `--key`; `redoubt audit key` prints it')
  return readFileSync(path, 'utf8').trim()
}

/** What is no key says nothing of the log: a mistyped file name must not read like a log that was tampered with. */
async function wellFormedKey(key: string): Promise<string> {
  const { parseVerifierKey } = await import('#trust/audit')
  try {
    parseVerifierKey(key)
  } catch (cause) {
    throw new RedoubtError(
      'ERR_USAGE',
      'what `--key` names is no verifier key, and no file that holds one; `redoubt audit key` prints it',
      { cause },
    )
  }
  return key
}

function read(path: string): Buffer {
  if (!existsSync(path)) throw new RedoubtError('ERR_USAGE', `there is no file \`${path}\``)
  return readFileSync(path)
}
