import { Command, Option } from 'commander'
import { RedoubtError } from '#foundation/core'
import type { MoveProgress } from '#trust/keys'
import { confirmed } from './confirmed.ts'
import { table } from './output.ts'
import { EXIT, run } from './program.ts'
import { rootCommands } from './root-commands.ts'
import { escrowCommand } from './seal/escrow-commands.ts'
import { recipientCommand } from './seal/recipient-command.ts'

interface KeyDescription {
  readonly keyId: string
  readonly keyClass: string
  readonly owner?: string
  readonly name?: string
  readonly version: number
  readonly state: string
  readonly createdAt: number
  readonly uses: number
}

interface Leg {
  readonly leg: string
  readonly verdict: string
  readonly protocol: string | null
  readonly group: string | null
  readonly detail: string
  readonly exception: { readonly allow: string; readonly reason: string; readonly until: string } | null
}

interface Progress {
  readonly doing: string
  readonly objects: { readonly seen: number; readonly moved: number; readonly resealed: number; readonly failed: number }
  readonly keys: { readonly seen: number; readonly moved: number; readonly failed: number }
  readonly completedAt: number | null
  readonly error: string | null
  readonly retirements: readonly {
    readonly keyId: string
    readonly version: number
    readonly phase: 'move' | 'grace'
    readonly compromised: boolean
    readonly graceLeftMs: number
  }[]
  readonly move: MoveProgress | null
}

interface Reconciled {
  readonly since: number
  readonly entries: { readonly from: number; readonly to: number }
  readonly agrees: boolean | null
  readonly uncounted: readonly { readonly provider: string; readonly code: string }[]
  readonly inferred: number
  readonly rows: readonly {
    readonly operation: string
    readonly key: string
    readonly provider: number
    readonly log: number
    readonly own: number
    readonly withheld: number
    readonly uncertain: number
    readonly finding: string
  }[]
}

const DAY_MS = 86_400_000
const CLASSES = ['dataset', 'model', 'subject', 'configuration']

const warningOf = (subject: string): string =>
  [
    `All that is sealed under the key of \`${subject}\` becomes unreadable, for everyone and for ever:`,
    '  - in the log: rows and answers of their calls, so that no decision about them can be explained any more; names and reasons',
    '  - their login name, if they have an account here',
    'The entries stay and still verify. Rows of data sets stay (`redoubt data erase` takes those too), and what models learned.',
    'Copies of the key database from before still hold the key: let backups end.',
  ].join('\n')

export function keyCommands(): Command[] {
  const keys = new Command('keys').description(
    'key versions: list, rotate, destroy; the root of trust: providers, shares, passphrase; recipients of files, escrow; what protects connections',
  )

  keys
    .command('list')
    .description('list key versions; key material is never shown')
    .action(
      run(async ({ client, output }) => {
        const { keys: found } = await client.call<{ keys: readonly KeyDescription[] }>('/keys')
        const rows = found.map((key) => [
          key.name ?? (key.owner === undefined ? key.keyClass : `${key.keyClass} ${key.owner}`),
          String(key.version),
          key.state,
          new Date(key.createdAt).toISOString().slice(0, 10),
          String(key.uses),
          key.keyId,
        ])
        output.result(found, table(['key of', 'version', 'state', 'created', 'uses', 'id'], rows))
      }),
    )

  keys
    .command('legs')
    .description('make a handshake with each connection of the server: what protects it')
    .action(
      run(async ({ client, output }) => {
        const { legs } = await client.call<{ legs: readonly Leg[] }>('/keys/legs')
        const rows = legs.map((leg) => [leg.leg, leg.verdict, leg.protocol ?? '', leg.group ?? '', leg.detail])
        const exceptions = legs.flatMap(({ leg, exception }) =>
          exception === null ? [] : [`${leg} may be ${exception.allow} until ${exception.until}: ${exception.reason}`],
        )
        const words = [table(['leg', 'is', 'protocol', 'group', ''], rows), ...exceptions]
        output.result(legs, words.join('\n'))
      }),
    )

  keys
    .command('rotate')
    .description('make a new key version; older ones still open what they sealed')
    .addOption(new Option('--class <class>', 'the chain of all that is sealed of a kind').choices(CLASSES).conflicts(['dataset', 'model']))
    .addOption(new Option('--dataset <name>', 'the chain of one data set, all its versions').conflicts(['class', 'model']))
    .addOption(new Option('--model <name>', 'the chain of one model, all its versions').conflicts(['class', 'dataset']))
    .option('--compromised', 'the present version is no more to be trusted: seal all under it anew, end it without grace')
    .action(
      run<{ class?: string; dataset?: string; model?: string; compromised?: boolean }>(async ({ client, output }, options) => {
        const owner = options.dataset ?? options.model
        const keyClass = options.class ?? (options.dataset === undefined ? 'model' : 'dataset')
        if (options.class === undefined && owner === undefined)
          throw new RedoubtError('ERR_USAGE', 'say what to rotate: --class, --dataset or --model')
        const rotated = await client.call<{ keyId: string; version: number }>('/keys/rotate', {
          method: 'POST',
          json: { keyClass, ...(owner === undefined ? {} : { owner }), ...(options.compromised === true ? { compromised: true } : {}) },
        })
        output.result(
          rotated,
          `version ${rotated.version} of \`${owner ?? keyClass}\` is primary; \`redoubt keys rotation\` tells what is moved`,
        )
      }),
    )

  keys
    .command('rotation')
    .description('how far what old key versions wrapped is moved, and which versions end when')
    .action(
      run(async ({ client, output }) => {
        const progress = await client.call<Progress>('/keys/rotation')
        output.result(progress, progressText(progress))
      }),
    )

  keys
    .command('reconcile')
    .description('hold what the key provider counted against what the log tells of it; the answer is 1 when they do not agree')
    .action(
      run(async ({ client, output }) => {
        const found = await client.call<Reconciled>('/keys/reconcile', { method: 'POST', json: {} })
        output.result(found, reconciledText(found))
        return found.agrees === true ? EXIT.done : EXIT.refused
      }),
    )

  keys
    .command('destroy')
    .description('destroy the key of a subject: what is sealed under it cannot be read any more')
    .requiredOption('--subject <subject>', 'the person, as calls and data name them')
    .option('--yes', 'without asking, for scripts')
    .action(
      run<{ subject: string; yes?: boolean }>(async ({ client, output }, options) => {
        if (options.yes !== true) await confirmed(output, warningOf(options.subject), options.subject)
        const answer = await client.call<{ pseudonym: string; destroyed: boolean }>('/subjects/destroy-key', {
          method: 'POST',
          json: { subject: options.subject },
        })
        output.result(
          answer,
          answer.destroyed ? `destroyed the key of subject ${answer.pseudonym}` : `subject ${answer.pseudonym} has no key`,
        )
      }),
    )
  for (const command of rootCommands()) keys.addCommand(command)
  keys.addCommand(recipientCommand())
  keys.addCommand(escrowCommand())
  return [keys]
}

function reconciledText({ since, entries, agrees, inferred, uncounted, rows }: Reconciled): string {
  const cells = rows.map(({ operation, key, provider, log, own, withheld, uncertain, finding }) => [
    `${operation} ${key}`,
    ...[provider, log, own, withheld, uncertain].map(String),
    finding,
  ])
  return [
    table(['operation', 'provider', 'log', 'own', 'withheld', 'under way', ''], cells),
    '',
    `since ${new Date(since).toISOString()}, entries ${entries.from} to ${entries.to}`,
    ...(inferred === 0 ? [] : [`${inferred} processes that talk to the HSM ended before they told: counted from this side`]),
    ...uncounted.map(({ provider, code }) => `\`${provider}\` could not be asked what it did (${code}): it is in no count`),
    agreementText(agrees),
  ].join('\n')
}

function agreementText(agrees: boolean | null): string {
  if (agrees === null) return 'whether all that the key providers did is on record cannot be told: ask again when each of them answers'
  return agrees
    ? 'what the key provider did is on record'
    : 'THE KEY PROVIDER AND THE LOG DO NOT AGREE: find out who used keys past the record'
}

function progressText({ doing, objects, keys, completedAt, error, retirements, move }: Progress): string {
  const lines = [
    ...(move === null ? [] : moveText(move)),
    doing === 'idle' ? 'between two rounds' : `${doing} now`,
    `objects  ${objects.seen} looked at, ${objects.moved} moved, ${objects.resealed} sealed anew, ${objects.failed} failed`,
    `keys     ${keys.seen} looked at, ${keys.moved} moved, ${keys.failed} failed`,
    completedAt === null ? 'no round was completed since the start' : `last round completed ${new Date(completedAt).toISOString()}`,
    ...(error === null ? [] : [`the last round stopped with ${error}; the next one goes on`]),
  ]
  if (retirements.length === 0) return [...lines, 'no old version is kept'].join('\n')
  const rows = retirements.map(({ keyId, version, phase, compromised, graceLeftMs }) => [
    keyId,
    String(version),
    phase === 'move' ? (compromised ? 'exposed, being sealed anew' : 'being moved from') : 'unused',
    phase === 'move' ? '-' : `${Math.ceil(graceLeftMs / DAY_MS)} days`,
  ])
  return [...lines, '', table(['id', 'version', 'state', 'ends in'], rows)].join('\n')
}

function moveText({ from, to, proved, left, versions }: MoveProgress): readonly string[] {
  const ended = versions === null ? [] : [`${versions.destroyed} of ${versions.all} versions at ${from} are destroyed`]
  if (proved) return [`moved from ${from} to ${to}: nothing names a key of ${from}, so \`keys.moveFrom\` may be taken away`, ...ended, '']
  if (left === null) return [`moving from ${from} to ${to}`, '']
  return [`moving from ${from} to ${to}; ${from} is needed still for:`, ...left.map(({ what, keys }) => `  ${keys} × ${what}`), '']
}
