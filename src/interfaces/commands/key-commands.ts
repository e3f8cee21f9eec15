import { Command, Option } from 'commander'
import { table } from './output.ts'
import { run } from './program.ts'

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

export function keyCommands(): Command[] {
  const keys = new Command('keys').description('key versions: list, rotate, destroy')

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
    .action(
      run<{ subject: string }>(async ({ client, output }, options) => {
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
  return [keys]
}
