import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Command, Option } from 'commander'
import { LEGAL_BASES, RedoubtError } from '#foundation/core'
import {
  accountFilePath,
  type BindingKind,
  BINDINGS,
  BOOTSTRAP_KEY_FILE,
  openProofKey,
  type PrivateJwk,
  readProofKey,
  signProof,
  thumbprintOf,
  writeAccountFile,
} from '#trust/client'
import { reviewCommand } from './access-review-command.ts'
import { riskCommand } from './access-risk-command.ts'
import { table } from './output.ts'
import type { Place } from './place.ts'
import { run } from './program.ts'
import { repeated } from './repeated.ts'
import { roleOption } from './role-option.ts'
import { sessionCommands, userCommands } from './user-commands.ts'

interface Account {
  readonly name: string
  readonly roles: readonly string[]
  readonly purpose: string
  readonly legalBasis: string
  readonly binding: string
  readonly disabled: boolean
}

interface Created {
  readonly account: Account
  /** Null for an account that brought a certificate. */
  readonly privateKeyJwk: PrivateJwk | null
}

interface CreateOptions {
  readonly role: readonly string[]
  readonly purpose: string
  readonly legalBasis: string
  readonly binding?: BindingKind
  readonly certificate?: string
  readonly actForRole?: string | readonly string[]
  readonly actForPurpose?: string | readonly string[]
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
    .addOption(new Option('--binding <kind>', 'take only tokens that are bound to a key or a certificate').choices(BINDINGS))
    .option('--certificate <file>', 'PEM certificate by which the account authenticates, and to which its tokens are bound')
    .addOption(roleOption('--act-for-role <role>', 'role that it may take over from users by token exchange, may be repeated'))
    .addOption(
      new Option('--act-for-purpose <purpose>', 'purpose for which it may act for users, may be repeated; its own unless given').argParser(
        repeated,
      ),
    )
    .action(
      run<CreateOptions>(async ({ client, output, place }, options, name = '') => {
        // The name as typed here, checked here: where a private key is written is not for the server to say.
        const keyPath = accountKey(place.secretsDir, name)
        const roles = [options.role].flat()
        const { account, privateKeyJwk } = await client.call<Created>('/service-accounts', {
          method: 'POST',
          json: { name, roles, purpose: options.purpose, legalBasis: options.legalBasis, ...bindingOf(options), ...delegationOf(options) },
        })
        output.result(...keepKey(place, keyPath, account, privateKeyJwk, 'created'))
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
          account.binding,
          account.disabled ? 'disabled' : 'active',
        ])
        output.result(serviceAccounts, table(['name', 'roles', 'purpose', 'legal basis', 'tokens bound to', 'state'], rows))
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

  accounts
    .command('rotate <name>')
    .description('give an account a new key, or a new certificate; the old one and its tokens end at once')
    .option('--certificate <file>', 'PEM of the new certificate, for an account that has one')
    .action(
      run<Pick<CreateOptions, 'certificate'>>(async ({ client, output, place }, { certificate }, name = '') => {
        const keyPath = accountKey(place.secretsDir, name)
        const { account, privateKeyJwk } = await client.call<Created>(`/service-accounts/${name}/rotate`, {
          method: 'POST',
          json: certificate === undefined ? {} : { certificate: readFileSync(certificate, 'utf8') },
        })
        output.result(...keepKey(place, keyPath, account, privateKeyJwk, 'rotated'))
      }),
    )

  access.addCommand(userCommands())
  access.addCommand(sessionCommands())
  access.addCommand(reviewCommand())
  access.addCommand(riskCommand())

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
    .option('--dpop <keyfile>', 'bind the token to the key in this PKCS #8 file (P-256 or Ed25519), which is made if it is missing')
    .option('--revoke <token>', 'revoke this token instead; takes the key of its account')
    .action(
      run<{ as?: string; dpop?: string; revoke?: string }>(async ({ client, output, place }, options) => {
        const keyPath = options.as === undefined ? join(place.secretsDir, BOOTSTRAP_KEY_FILE) : accountKey(place.secretsDir, options.as)
        if (options.revoke !== undefined) {
          await client.revoke(options.revoke, keyPath)
          output.result({ revoked: true }, 'revoked')
          return
        }
        if (options.dpop !== undefined) {
          const key = openProofKey(options.dpop)
          const { accessToken, tokenType, expiresAt } = await client.boundTokenFor(keyPath, key)
          const result = { accessToken, tokenType, expiresAt, keyFile: options.dpop, thumbprint: thumbprintOf(key) }
          output.note('send    authorization: DPoP TOKEN, and in `dpop` a proof by your key for each request (RFC 9449)')
          output.note(`try it  redoubt token proof --key ${options.dpop} --method GET --address ${place.url}/api/v1/whoami --for TOKEN`)
          output.result(result, accessToken)
          return
        }
        const accessToken = await client.tokenFor(keyPath)
        output.result({ accessToken }, accessToken)
      }),
    )

  token
    .command('proof')
    .description('print a proof of possession for one request with a bound token (RFC 9449), to try things out')
    .requiredOption('--key <keyfile>', 'the key that the token is bound to')
    .requiredOption('--method <method>', 'method of the request')
    .requiredOption('--address <url>', 'address of the request')
    .requiredOption('--for <token>', 'the access token that it goes with')
    .option('--nonce <nonce>', 'nonce of the server, from the header `dpop-nonce`')
    .action(
      run<{ key: string; method: string; address: string; for: string; nonce?: string }>(async ({ output }, options) => {
        const { method, address, nonce } = options
        const proof = signProof(readProofKey(options.key), { method, url: address, accessToken: options.for, nonce })
        output.result({ proof }, proof)
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

/** What an account's tokens are to be bound to; a certificate says so by itself. */
function bindingOf({ binding, certificate }: CreateOptions): object {
  if (certificate === undefined) return binding === undefined ? {} : { binding }
  return { binding: binding ?? 'mtls', certificate: readFileSync(certificate, 'utf8') }
}

function delegationOf({ purpose, actForRole, actForPurpose }: CreateOptions): object {
  if (actForRole === undefined && actForPurpose === undefined) return {}
  if (actForRole === undefined) throw new RedoubtError('ERR_USAGE', 'name with `--act-for-role` what the account may take over from users')
  return { mayActFor: { roles: [actForRole].flat(), purposes: [actForPurpose ?? purpose].flat() } }
}

/** Keeps a new private key on this host, if one was made. @returns what to print. */
function keepKey(place: Place, path: string, account: Account, privateKeyJwk: PrivateJwk | null, done: string): [object, string] {
  const { name } = account
  if (privateKeyJwk === null)
    return [{ ...account, privateKey: null }, `${done} \`${name}\`\nnext  ask for a token over a connection with its certificate`]
  writeAccountFile(path, { issuer: place.url, accountId: name, privateKeyJwk })
  return [{ ...account, privateKey: path }, `${done} \`${name}\`\nprivate key  ${path}\nnext         redoubt token --as ${name}`]
}

/** @throws {RedoubtError} `ERR_USAGE` for a name that could leave the folder. */
export function accountKey(secretsDir: string, name: string): string {
  if (!/^[a-z0-9][a-z0-9._-]{0,62}$/.test(name))
    throw new RedoubtError('ERR_USAGE', 'an account is named in lower case letters, digits, dots, dashes and underscores')
  return accountFilePath(secretsDir, name)
}
