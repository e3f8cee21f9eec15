import { Command, Option } from 'commander'
import { confirmed } from './confirmed.ts'
import { table } from './output.ts'
import { run } from './program.ts'
import { rootCommands } from './root-commands.ts'

interface KeyDescription {
  readonly keyId: string
  readonly keyClass: string
  readonly name?: string
  readonly version: number
  readonly state: string
  readonly createdAt: number
  readonly uses: number
}

const CLASSES = ['dataset', 'model', 'subject', 'configuration']

const warningOf = (subject: string): string =>
  [
    `All that is sealed under the key of \`${subject}\` becomes unreadable, for everyone and for ever:`,
    '  - in the log: rows and answers of their calls, so that no decision about them can be explained any more; names and reasons',
    '  - their login name, if they have an account here',
    'The entries stay and still verify. Rows of data sets and what models learned stay: remove those by themselves.',
    'Copies of the key database from before still hold the key: let backups end.',
  ].join('\n')

export function keyCommands(): Command[] {
  const keys = new Command('keys').description('key versions: list, rotate, destroy; the root of trust: providers, shares, passphrase')

  keys
    .command('list')
    .description('list key versions; key material is never shown')
    .action(
      run(async ({ client, output }) => {
        const { keys: found } = await client.call<{ keys: readonly KeyDescription[] }>('/keys')
        const rows = found.map((key) => [
          key.name ?? key.keyClass,
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
    .command('rotate')
    .description('make a new key version; older ones still open what they sealed')
    .addOption(new Option('--class <class>', 'what the keys seal').choices(CLASSES).makeOptionMandatory())
    .action(
      run<{ class: string }>(async ({ client, output }, options) => {
        const rotated = await client.call<{ keyId: string; version: number }>('/keys/rotate', {
          method: 'POST',
          json: { keyClass: options.class },
        })
        output.result(rotated, `version ${rotated.version} of \`${options.class}\` is primary`)
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
  return [keys]
}
