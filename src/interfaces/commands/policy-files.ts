import { statSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import { RedoubtError } from '#foundation/core'
import type { PolicyFile } from '#trust/policy'

/** What a person names on the command line: policies, truth tables and invariants, of files and folders. */
export interface NamedPolicies {
  /** With the bundled ones, as a server would put them in force. */
  readonly files: readonly PolicyFile[]
  readonly tables: readonly PolicyFile[]
  /** With the bundled ones. */
  readonly invariants: readonly PolicyFile[]
  /** Names of the files that were named, without the bundled ones. */
  readonly own: readonly string[]
}

/**
 * Reads `*.cedar`, `*.policy-test.yaml` and `*.invariants.yaml` of the paths; of none, those of the configured folder; without one, nothing of one's own.
 * @throws {RedoubtError} `ERR_USAGE` for a path that is neither; `ERR_POLICY_INVALID` for a file that cannot be read.
 */
export async function namedPolicies(paths: readonly string[], configured: string | undefined): Promise<NamedPolicies> {
  const { INVARIANTS_SUFFIX, TABLE_SUFFIX, withDefaultInvariants, withDefaultPolicies } = await import('#trust/policy')
  const named = paths.length > 0 ? paths : configured === undefined ? [] : [configured]
  const all = (await Promise.all(named.map(filesAt))).flat()
  const byName = new Map<string, PolicyFile>()
  for (const file of all) {
    if (byName.has(file.name)) throw new RedoubtError('ERR_USAGE', `two files are named \`${file.name}\`; a server keeps one of each name`)
    byName.set(file.name, file)
  }
  const policies = all.filter(({ name }) => name.endsWith('.cedar'))
  return {
    files: withDefaultPolicies(policies),
    tables: all.filter(({ name }) => name.endsWith(TABLE_SUFFIX)),
    invariants: withDefaultInvariants(all.filter(({ name }) => name.endsWith(INVARIANTS_SUFFIX))),
    own: policies.map(({ name }) => name),
  }
}

async function filesAt(path: string): Promise<readonly PolicyFile[]> {
  const { INVARIANTS_SUFFIX, readPolicyFolder, TABLE_SUFFIX } = await import('#trust/policy')
  const endings = ['.cedar', TABLE_SUFFIX, INVARIANTS_SUFFIX] as const
  const stat = statSync(path, { throwIfNoEntry: false })
  if (stat?.isDirectory()) return endings.flatMap((ending) => readPolicyFolder(path, ending))
  if (!stat || !endings.some((ending) => path.endsWith(ending)))
    throw new RedoubtError('ERR_USAGE', `\`${path}\` is neither a folder nor a \`${endings.join('`, `')}\` file`)
  return [await namedFile(path)]
}

export async function namedFile(path: string): Promise<PolicyFile> {
  const { readPolicyFile } = await import('#trust/policy')
  const name = basename(path)
  return { name, text: readPolicyFile(`${dirname(path)}/${name}`, name) }
}
