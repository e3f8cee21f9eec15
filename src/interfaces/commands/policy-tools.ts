import { type Command, InvalidArgumentError, Option } from 'commander'
import { DEFAULT_MAX_REQUESTS, type EntityUid, RedoubtError } from '#foundation/core'
import type { FilterVocabulary, PolicyFile } from '#trust/policy'
import type { Client } from './client.ts'
import { namedFile, namedPolicies } from './policy-files.ts'
import { checkWords, proofWords, tableWords } from './policy-words.ts'
import { EXIT, run } from './program.ts'
import { repeated } from './repeated.ts'

/** What the configuration says, read when it is asked for. */
export interface SiteSettings {
  /** The folder of policies that it names. */
  policies(): Promise<string | undefined>
  /** What filter annotations may name, as the server has it: what is tested here loads there. */
  vocabulary(): Promise<FilterVocabulary>
}

interface CheckCommandOptions {
  readonly purpose?: readonly string[]
  readonly against?: 'server'
  readonly strict?: boolean
}

const PATHS = 'files or folders; without one, the configured folder'

function bound(text: string): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value < 1) throw new InvalidArgumentError('a bound is a whole number above 0')
  return value
}

/**
 * Adds what looks at policies without putting them in force. Works offline.
 */
export function addPolicyTools(policy: Command, site: SiteSettings): void {
  policy
    .command('check [paths...]')
    .description('check policy files, together with the bundled ones, without a server')
    .addOption(new Option('--purpose <purpose>', 'a purpose that exists, may be repeated; others are warned of').argParser(repeated))
    .addOption(new Option('--against <what>', 'also look up entity ids and purposes there').choices(['server']))
    .option('--strict', 'a warning fails the check too')
    .action(
      run<CheckCommandOptions>(async ({ client, output }, options, ...paths) => {
        const { checkPolicies } = await import('#trust/policy')
        const { files } = await namedPolicies(paths, await site.policies())
        const there = options.against === 'server' ? await whatExists(client) : null
        const purposes = [...(options.purpose ?? []), ...(there?.purposes ?? [])]
        const report = await checkPolicies(files, {
          vocabulary: await site.vocabulary(),
          ...(purposes.length > 0 || there ? { purposes } : {}),
          ...(there ? { exists: there.exists } : {}),
        })
        output.result(report, checkWords(report))
        return report.errors > 0 || (options.strict === true && report.warnings > 0) ? EXIT.refused : EXIT.done
      }),
    )

  policy
    .command('test [paths...]')
    .description('run the truth tables (*.policy-test.yaml) beside policy files')
    .action(
      run(async ({ output }, _options, ...paths) => {
        const { defaultPolicyTables, loadPolicies, runTables } = await import('#trust/policy')
        const { files, tables, own } = await namedPolicies(paths, await site.policies())
        // Of the bundled policies alone, the table is theirs; it does not speak of what others change.
        const rows: readonly PolicyFile[] = tables.length === 0 && own.length === 0 && paths.length === 0 ? defaultPolicyTables() : tables
        if (rows.length === 0)
          throw new RedoubtError('ERR_USAGE', 'there is no truth table here; name a `.policy-test.yaml` or a folder that has one')
        const report = runTables(await loadPolicies({ files, vocabulary: await site.vocabulary() }), rows)
        output.result(report, tableWords(report))
        return report.failures.length > 0 ? EXIT.refused : EXIT.done
      }),
    )

  policy
    .command('prove [paths...]')
    .description('decide a request of every class, to show that statements hold for all')
    .option('--invariants <file>', 'statements to prove, in place of the bundled ones and those of the folder')
    .addOption(new Option('--max <requests>', 'refuse when there are more classes').argParser(bound).default(DEFAULT_MAX_REQUESTS))
    .action(
      run<{ invariants?: string; max: number }>(async ({ output }, options, ...paths) => {
        const { loadPolicies, proveInvariants } = await import('#trust/policy')
        const { files, invariants: named } = await namedPolicies(paths, await site.policies())
        const invariants = options.invariants === undefined ? named : [await namedFile(options.invariants)]
        const report = await proveInvariants(await loadPolicies({ files, vocabulary: await site.vocabulary() }), invariants, {
          maxRequests: options.max,
        })
        output.result(report, proofWords(report))
        return report.holds ? EXIT.done : EXIT.refused
      }),
    )

  policy
    .command('reload')
    .description('have the server read its policy folder again: all of it, or nothing')
    .action(
      run(async ({ client, output }) => {
        const answer = await client.call<{ before: string; after: string; cases: number }>('/policies/reload', { method: 'POST' })
        const what = answer.before === answer.after ? 'the policies are as they were' : 'the policies of the folder are in force'
        output.result(answer, `${what}; ${answer.cases} rows of truth tables hold\npolicy set ${answer.after}`)
      }),
    )

  for (const command of policy.commands)
    for (const argument of command.registeredArguments) if (argument.name() === 'paths') argument.description = PATHS
}

interface Named {
  readonly name: string
  readonly purpose?: string
  readonly purposes?: readonly string[]
}

/** What the server has, as far as the caller may see it. */
async function whatExists(
  client: Client,
): Promise<{ readonly purposes: readonly string[]; readonly exists: (entity: EntityUid) => boolean | null }> {
  const { serviceAccounts } = await client.call<{ serviceAccounts: readonly Named[] }>('/service-accounts')
  const { datasets } = await client.call<{ datasets: readonly Named[] }>('/datasets')
  const { models } = await client.call<{ models: readonly Named[] }>('/models')
  const chat = JSON.parse((await client.raw('/v1/models')).body.toString('utf8')) as { readonly data?: readonly { readonly id: string }[] }
  const names = (list: readonly Named[]): ReadonlySet<string> => new Set(list.map(({ name }) => name))
  const known = new Map<string, ReadonlySet<string>>([
    ['ServiceAccount', names(serviceAccounts)],
    ['Account', names(serviceAccounts)],
    ['Dataset', names(datasets)],
    ['Model', names(models)],
    ['Endpoint', new Set(chat.data?.map(({ id }) => id))],
  ])
  const purposes = [...serviceAccounts, ...datasets, ...models].flatMap(({ purpose, purposes = [] }) => [
    ...purposes,
    ...(purpose ? [purpose] : []),
  ])
  return { purposes: [...new Set(purposes)], exists: ({ type, id }) => known.get(type)?.has(id) ?? null }
}
