import { readdirSync, readFileSync } from 'node:fs'
import { INVARIANTS_SUFFIX } from './invariants/invariant-file.ts'
import type { PolicyFile } from './policy-file.ts'
import { TABLE_SUFFIX } from './tables/table-file.ts'

// Text files beside the code: what is built for distribution must carry them along.
const SCHEMA = new URL('./schema.cedarschema', import.meta.url)
const DEFAULTS = new URL('./defaults/', import.meta.url)

export function bundledSchema(): string {
  return readFileSync(SCHEMA, 'utf8')
}

/** The policies that Redoubt comes with, in the order of their names. */
export const defaultPolicyFiles = (): readonly PolicyFile[] => bundled('.cedar')

/** The statements that the bundled policies are held to, and every change of policies after them. */
export const defaultInvariants = (): readonly PolicyFile[] => bundled(INVARIANTS_SUFFIX)

/** The truth tables of the bundled policies. */
export const defaultPolicyTables = (): readonly PolicyFile[] => bundled(TABLE_SUFFIX)

function bundled(suffix: string): readonly PolicyFile[] {
  return readdirSync(DEFAULTS)
    .filter((name) => name.endsWith(suffix))
    .sort()
    .map((name) => ({ name, text: readFileSync(new URL(name, DEFAULTS), 'utf8') }))
}
