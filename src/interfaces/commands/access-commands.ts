import { join } from 'node:path'
import { Command, Option } from 'commander'
import { LEGAL_BASES, RedoubtError } from '#foundation/core'
import { accountFilePath, BOOTSTRAP_KEY_FILE, type PrivateJwk, writeAccountFile } from '#trust/identity'
import { reviewCommand } from './access-review-command.ts'
import { table } from './output.ts'
import { run } from './program.ts'
import { roleOption } from './role-option.ts'
import { sessionCommands, userCommands } from './user-commands.ts'

interface Account {
  readonly name: string
  readonly roles: readonly string[]
  readonly purpose: string
  readonly legalBasis: string
  readonly disabled: boolean
}

interface CreateOptions {
  readonly role: readonly string[]
  readonly purpose: string
  readonly legalBasis: string
}

export function accessCommands(): Command[] {
  const access = new Command('access').description('people, accounts of programs, sessions, and reviews of who may do what')
  const accounts = access.command('service-accounts').description('accounts of applications and pipelines')

  accounts
    .command('create <name>')
    .description('create an account; its private key is written to this host and nowhere else')
    .addOption(roleOption().makeOptionMandatory())
    .addOption(new Option('--purpose <purpose>', 'what the account works for; bound to its tokens').makeOptionMandatory())
    .addOption(new Option('--legal-basis <basis>', 'on which it may do so, GDPR art. 6(1)').choices(LEGAL_BASES).makeOptionMandatory())
    .action(
      run<CreateOptions>(async ({ client, output, place }, options, name = '') => {
        // The name as typed here, checked here: where a private key is written is not for the server to say.
        const keyPath = accountKey(place.secretsDir, name)
        const roles = [options.role].flat()
        const { account, privateKeyJwk } = await client.call<{ account: Account; privateKeyJwk: PrivateJwk }>('/service-accounts', {
          method: 'POST',
          json: { name, roles, purpose: options.purpose, legalBasis: options.legalBasis },
        })
        writeAccountFile(keyPath, { issuer: place.url, accountId: name, privateKeyJwk })
        output.result(
          { ...account, privateKey: keyPath },
          `created \`${name}\`\nprivate key  ${keyPath}\nnext         redoubt token --as ${name}`,
        )
      }),
    )

  accounts
    .command('list')
    .description('list the accounts with role, purpose and state')
    .action(
      run(async ({ client, output }) => {
        const { serviceAccounts } = await client.call<{ serviceAccounts: readonly Account[] }>('/service-accounts')
        const rows = serviceAccounts.map((account) => [
          account.name,
          account.roles.join(','),
          account.purpose || '-',
          account.legalBasis,
          account.disabled ? 'disabled' : 'active',
        ])
        output.result(serviceAccounts, table(['name', 'roles', 'purpose', 'legal basis', 'state'], rows))
      }),
    )

  accounts
    .command('disable <name>')
    .description('disable an account; its next request is refused, its running streams are cut')
    .action(
      run(async ({ client, output }, _options, name) => {
        output.result(
          await client.call(`/service-accounts/${encodeURIComponent(name ?? '')}/disable`, { method: 'POST', json: {} }),
          `disabled \`${name}\``,
        )
      }),
    )

  access.addCommand(userCommands())
  access.addCommand(sessionCommands())
  access.addCommand(reviewCommand())

  access
    .command('enrol')
    .description('make a one-use link that makes its holder a first administrator')
    .action(
      run(async ({ client, output }) => {
        const link = await client.call<{ url: string; expiresAt: number }>('/enrolment-links', { method: 'POST', json: {} })
        output.result(link, `${link.url}\nvalid until ${new Date(link.expiresAt).toISOString()}, once`)
      }),
    )

  const token = new Command('token')
    .description('print an access token of an account whose private key lies on this host')
    .option('--as <name>', 'service account; the bootstrap account unless given')
    .option('--revoke <token>', 'revoke this token instead; takes the key of its account')
    .action(
      run<{ as?: string; revoke?: string }>(async ({ client, output, place }, options) => {
        const keyPath = options.as === undefined ? join(place.secretsDir, BOOTSTRAP_KEY_FILE) : accountKey(place.secretsDir, options.as)
        if (options.revoke !== undefined) {
          await client.revoke(options.revoke, keyPath)
          output.result({ revoked: true }, 'revoked')
          return
        }
        const accessToken = await client.tokenFor(keyPath)
        output.result({ accessToken }, accessToken)
      }),
    )

  const whoami = new Command('whoami')
    .description('say for whom the token in use speaks: person or account, session, level of factors')
    .action(
      run(async ({ client, output }) => {
        const me = await client.call<Record<string, unknown>>('/whoami')
        const time = (value: unknown): string => (typeof value === 'number' ? new Date(value).toISOString() : String(value))
        output.result(
          me,
          Object.entries(me)
            .filter(([, value]) => value !== null && value !== '')
            .map(([name, value]) => `${name.padEnd(16)}${name === 'authTime' || name === 'tokenExpiresAt' ? time(value) : String(value)}`)
            .join('\n'),
        )
      }),
    )
  return [access, token, whoami]
}

/** @throws {RedoubtError} `ERR_USAGE` for a name that could leave the folder. */
export function accountKey(secretsDir: string, name: string): string {
  if (!/^[a-z0-9][a-z0-9._-]{0,62}$/.test(name))
    throw new RedoubtError('ERR_USAGE', 'an account is named in lower case letters, digits, dots, dashes and underscores')
  return accountFilePath(secretsDir, name)
}
