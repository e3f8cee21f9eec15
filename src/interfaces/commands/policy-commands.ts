import { existsSync, readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { Command, Option } from 'commander'
import { ACTIONS, RedoubtError } from '#foundation/core'
import { addPolicyTools, type SiteSettings } from './policy-tools.ts'
import { run } from './program.ts'

interface WhyOptions {
  readonly request?: string
  readonly mfaLevel?: number
  readonly account?: string
  readonly action: string
  readonly resource?: string
  readonly at?: string
  readonly from: string
}

export function policyCommands(site: SiteSettings): Command[] {
  const policy = new Command('policy').description('policies in force, and why they decide as they do')
  addPolicyTools(policy, site)

  policy
    .command('list')
    .description('list the policy files in force')
    .action(
      run(async ({ client, output }) => {
        const answer = await client.call<{ digest: string; files: readonly { name: string }[] }>('/policies')
        output.result(answer, `${answer.files.map((file) => file.name).join('\n')}\npolicy set ${answer.digest}`)
      }),
    )

  policy
    .command('put <file>')
    .description('put a Cedar file in force; refused unless the whole set validates')
    .option('--name <name>', 'its name; that of the file unless given')
    .option('--tests <file>', 'its truth table (*.policy-test.yaml), kept beside it; a change that fails it is refused')
    .option('--no-tests', 'take away the truth table that is kept beside it')
    .action(
      run<{ name?: string; tests?: string | boolean }>(async ({ client, output }, options, file) => {
        if (file === undefined || !existsSync(file)) throw new RedoubtError('ERR_USAGE', `there is no file \`${file}\``)
        const name = options.name ?? basename(file, '.cedar')
        const answer = await client.call<{ digest: string }>(`/policies/${encodeURIComponent(name)}`, {
          method: 'PUT',
          json: { text: readFileSync(file, 'utf8'), ...testsOf(options.tests) },
        })
        output.result(answer, `\`${name}\` is in force\npolicy set ${answer.digest}`)
      }),
    )

  policy
    .command('remove <name>')
    .description('remove a policy file that was put in force with `put`')
    .action(
      run(async ({ client, output }, _options, name) => {
        const answer = await client.call<{ digest: string }>(`/policies/${encodeURIComponent(name ?? '')}`, { method: 'DELETE' })
        output.result(answer, `removed \`${name}\`\npolicy set ${answer.digest}`)
      }),
    )

  policy
    .command('why')
    .description('decide a hypothetical request and say what decided it, and what would change it')
    .option('--request <id>', 'explain the recorded decision of this request (`x-request-id`)')
    .option('--account <name>', 'who asks: a service account, or a person by login name or id')
    .addOption(new Option('--mfa-level <level>', 'of a person: 0 to 3 (hardware-bound); the best unless given').argParser(Number))
    .addOption(new Option('--action <action>', 'what it asks for').choices(ACTIONS).default('invoke'))
    .option('--resource <Type::id>', 'for instance `Model::credit` or `Endpoint::assistant`')
    .option('--at <time>', 'ISO 8601; now unless given')
    .option('--from <address>', 'address of the caller', '127.0.0.1')
    .action(
      run<WhyOptions>(async ({ client, output }, options) => {
        if (options.request !== undefined) {
          const explanation = await client.call<unknown>(`/policies/why/${encodeURIComponent(options.request)}`)
          output.result(explanation, explain(explanation))
          return
        }
        if (options.account === undefined || options.resource === undefined)
          throw new RedoubtError('ERR_USAGE', 'name `--request`, or `--account` and `--resource`')
        const cut = options.resource.indexOf('::')
        if (cut < 1) throw new RedoubtError('ERR_USAGE', 'a resource is written `Type::id`')
        const at = options.at === undefined ? undefined : Date.parse(options.at)
        if (Number.isNaN(at)) throw new RedoubtError('ERR_USAGE', 'a time is written in ISO 8601')
        const resource = { type: options.resource.slice(0, cut), id: options.resource.slice(cut + 2).replaceAll('"', '') }
        const explanation = await client.call<{ effect: string; summary?: readonly string[] }>('/policies/why', {
          method: 'POST',
          json: {
            account: options.account,
            ...(options.mfaLevel === undefined ? {} : { mfaLevel: options.mfaLevel }),
            action: options.action,
            resource,
            ...(at === undefined ? {} : { at }),
            sourceAddress: options.from,
          },
        })
        output.result(explanation, explain(explanation))
      }),
    )
  return [policy]
}

/** `--tests FILE` puts a table, `--no-tests` takes it away; without either, what is kept stays. */
function testsOf(tests: string | boolean | undefined): { readonly tests?: string | null } {
  if (tests === false) return { tests: null }
  if (typeof tests !== 'string') return {}
  if (!existsSync(tests)) throw new RedoubtError('ERR_USAGE', `there is no file \`${tests}\``)
  return { tests: readFileSync(tests, 'utf8') }
}

/** Null, and lists and objects that hold nothing else. */
const saysNothing = (value: unknown): boolean => value === null || (typeof value === 'object' && Object.values(value).every(saysNothing))

/** Nested facts as indented lines: short enough to read aloud. */
function explain(value: unknown, indent = ''): string {
  if (Array.isArray(value)) return value.map((item) => `${indent}- ${explain(item, `${indent}  `).trimStart()}`).join('\n')
  if (value !== null && typeof value === 'object') {
    return Object.entries(value)
      .filter(([, member]) => !saysNothing(member))
      .map(([name, member]) =>
        typeof member === 'object' ? `${indent}${name}\n${explain(member, `${indent}  `)}` : `${indent}${name}: ${String(member)}`,
      )
      .join('\n')
  }
  return `${indent}${String(value)}`
}
