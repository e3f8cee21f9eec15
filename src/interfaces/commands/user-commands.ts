import { Command, Option } from 'commander'
import { LEGAL_BASES } from '#foundation/core'
import type { EnrolmentLink, Factor, ListedSession, Person, Recovery } from '#trust/identity'
import { table } from './output.ts'
import { run } from './program.ts'
import { repeated } from './repeated.ts'
import { roleOption } from './role-option.ts'
import { moment } from './words.ts'

type User = Omit<Person, 'facts'> & { readonly loginName?: string | null }

const path = (...parts: readonly (string | undefined)[]): string => parts.map((part) => `/${encodeURIComponent(part ?? '')}`).join('')
const time = (at: number | null): string => (at === null ? '-' : moment(at))
const linkWords = ({ url, expiresAt }: EnrolmentLink): string =>
  `link         ${url}\n             give it to the person alone; it works once, until ${time(expiresAt)} UTC`
const userWords = ({ id, roles, groups, disabled }: User): string =>
  `${id}  ${roles.join(',') || '-'}  ${groups.join(',') || '-'}  ${disabled ? 'disabled' : 'active'}`

interface CreateOptions {
  readonly role: readonly string[]
  readonly group?: readonly string[]
  readonly purpose: string
  readonly legalBasis: string
}

/** `redoubt access users …`: people, in place of the accounts of programs. */
export function userCommands(): Command {
  const users = new Command('users').description('people who sign in with security keys')

  users
    .command('create <login-name>')
    .description('create a person and print a one-use link to enrol their security key')
    .addOption(roleOption().makeOptionMandatory())
    .option('--group <group>', 'group of the organisation, may be repeated', repeated)
    .addOption(new Option('--purpose <purpose>', 'what the person works for; bound to their tokens').makeOptionMandatory())
    .addOption(new Option('--legal-basis <basis>', 'on which they may do so, GDPR art. 6(1)').choices(LEGAL_BASES).makeOptionMandatory())
    .action(
      run<CreateOptions>(async ({ client, output }, options, loginName) => {
        const { role, group = [], purpose, legalBasis } = options
        const answer = await client.call<{ user: User; link: EnrolmentLink }>('/users', {
          method: 'POST',
          json: { loginName, roles: [role].flat(), groups: [group].flat(), purpose, legalBasis },
        })
        output.result(answer, `created      ${answer.user.id}\n${linkWords(answer.link)}`)
      }),
    )

  users
    .command('list')
    .description('list people with roles, groups, factors and state')
    .action(
      run(async ({ client, output }) => {
        const { users } = await client.call<{ users: readonly User[] }>('/users')
        const rows = users.map(({ id, loginName, roles, groups, factors, disabled }) => [
          id,
          loginName ?? '-',
          roles.join(','),
          groups.join(',') || '-',
          `${factors.passkeys} keys${factors.totp ? ', codes' : ''}`,
          disabled ? 'disabled' : 'active',
        ])
        output.result(users, table(['id', 'name', 'roles', 'groups', 'factors', 'state'], rows))
      }),
    )

  users
    .command('show <id>')
    .description('show a person and their factors')
    .action(
      run(async ({ client, output }, _options, id) => {
        const answer = await client.call<{ user: User; factors: readonly Factor[] }>(path('users', id))
        const { user, factors } = answer
        const rows = factors.map((one) => [
          one.kind,
          one.id,
          one.aaguid || '-',
          one.synced ? 'synced' : '-',
          time(one.createdAt),
          time(one.lastUsedAt),
        ])
        const head = [
          `id           ${user.id}`,
          `name         ${user.loginName ?? '-'}`,
          `roles        ${user.roles.join(',')}`,
          `groups       ${user.groups.join(',') || '-'}`,
          `purpose      ${user.purpose || '-'} (${user.legalBasis})`,
          `state        ${user.disabled ? 'disabled' : 'active'}`,
          `codes left   ${user.factors.recoveryCodes}`,
        ]
        output.result(answer, `${head.join('\n')}\n\n${table(['factor', 'id', 'model', 'synced', 'enrolled', 'last used'], rows)}`)
      }),
    )

  for (const [name, description] of [
    ['disable', 'disable a person: sessions and tokens end, running streams are cut'],
    ['enable', 'enable a person again'],
  ] as const)
    users
      .command(`${name} <id>`)
      .description(description)
      .action(
        run(async ({ client, output }, _options, id) => {
          const { user } = await client.call<{ user: User }>(path('users', id, name), { method: 'POST', json: {} })
          output.result(user, userWords(user))
        }),
      )

  users
    .command('roles <id>')
    .description('set the roles of a person, effective on their next request')
    .addOption(roleOption().makeOptionMandatory())
    .action(
      run<{ role: readonly string[] }>(async ({ client, output }, options, id) => {
        const json = { roles: [options.role].flat() }
        const { user } = await client.call<{ user: User }>(path('users', id, 'rights'), { method: 'PUT', json })
        output.result(user, userWords(user))
      }),
    )

  users
    .command('groups <id>')
    .description('set the groups of a person; none unless given')
    .option('--group <group>', 'group of the organisation, may be repeated', repeated)
    .action(
      run<{ group?: readonly string[] }>(async ({ client, output }, options, id) => {
        const json = { groups: [options.group ?? []].flat() }
        const { user } = await client.call<{ user: User }>(path('users', id, 'rights'), { method: 'PUT', json })
        output.result(user, userWords(user))
      }),
    )

  users
    .command('link <id>')
    .description('print a new one-use enrolment link for a person who never enrolled')
    .action(
      run(async ({ client, output }, _options, id) => {
        const link = await client.call<EnrolmentLink>(path('users', id, 'links'), { method: 'POST', json: {} })
        output.result(link, linkWords(link))
      }),
    )

  users
    .command('remove-factor <id> <factor>')
    .description('remove a security key, or `totp`; see `show`; sessions and tokens end')
    .action(
      run(async ({ client, output }, _options, id, factor) => {
        const { user } = await client.call<{ user: User }>(path('users', id, 'factors', factor), { method: 'DELETE' })
        output.result(user, userWords(user))
      }),
    )

  users
    .command('recover <id>')
    .description('ask for a new link for a person who lost every key; two others must agree')
    .action(
      run(async ({ client, output }, _options, id) => {
        const { recovery } = await client.call<{ recovery: Recovery }>(path('users', id, 'recoveries'), { method: 'POST', json: {} })
        output.result(
          recovery,
          `asked        ${recovery.id}, until ${time(recovery.expiresAt)} UTC\nnext         two others who manage access: redoubt access users approve ${recovery.id}`,
        )
      }),
    )

  users
    .command('recoveries')
    .description('list open requests for people who lost every key')
    .option('--mine', 'only those for yourself, which takes no right')
    .action(
      run<{ mine?: boolean }>(async ({ client, output }, { mine = false }) => {
        const { recoveries } = await client.call<{ recoveries: readonly Recovery[] }>(mine ? '/me/recoveries' : '/recoveries')
        const rows = recoveries.map((one) => [one.id, one.userId, time(one.expiresAt), one.approvals.join(',') || '-'])
        output.result(recoveries, table(['id', 'person', 'until', 'agreed'], rows))
      }),
    )

  users
    .command('approve <recovery>')
    .description('agree to a recovery; the second person who does gets the new link')
    .action(
      run(async ({ client, output }, _options, id) => {
        const answer = await client.call<{ recovery: Recovery; link: EnrolmentLink | null }>(path('recoveries', id, 'approve'), {
          method: 'POST',
          json: {},
        })
        output.result(answer, answer.link === null ? 'agreed; one more person has to' : `agreed\n${linkWords(answer.link)}`)
      }),
    )

  users
    .command('deny <recovery>')
    .description('refuse a recovery for good: of someone, or of yourself while you have a key')
    .action(
      run(async ({ client, output }, _options, id) => {
        const { recovery } = await client.call<{ recovery: Recovery }>(path('recoveries', id, 'deny'), { method: 'POST', json: {} })
        output.result(recovery, `refused      ${recovery.id}; nobody gets a link by it`)
      }),
    )
  return users
}

/** `redoubt access sessions …` */
export function sessionCommands(): Command {
  const sessions = new Command('sessions').description('sessions of people')

  sessions
    .command('list')
    .description('list your sessions, or with --user those of someone else')
    .option('--user <id>', 'whose sessions; takes the right to manage access')
    .action(
      run<{ user?: string }>(async ({ client, output }, options) => {
        const query = options.user === undefined ? '' : `?user=${encodeURIComponent(options.user)}`
        const answer = await client.call<{ current: string | null; sessions: readonly ListedSession[] }>(`/sessions${query}`)
        const rows = answer.sessions.map((one) => [
          `${one.id}${one.id === answer.current ? ' (this one)' : ''}`,
          String(one.mfaLevel),
          time(one.createdAt),
          time(one.lastSeenAt),
          one.sourceAddress ?? '-',
          one.userAgent ?? '-',
        ])
        output.result(answer, table(['id', 'factors', 'since', 'last seen', 'from', 'with'], rows))
      }),
    )

  sessions
    .command('end <id>')
    .description('end a session; its next request is refused, its running streams are cut')
    .action(
      run(async ({ client, output }, _options, id) => {
        output.result(await client.call(path('sessions', id), { method: 'DELETE' }), `ended ${id ?? ''}`)
      }),
    )
  return sessions
}
