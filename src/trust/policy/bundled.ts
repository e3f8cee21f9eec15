import { readdirSync, readFileSync } from 'node:fs'
import type { PolicyFile } from './policy-file.ts'

// Text files beside the code: what is built for distribution must carry them along.
const SCHEMA = new URL('./schema.cedarschema', import.meta.url)
const DEFAULTS = new URL('./defaults/', import.meta.url)

export function bundledSchema(): string {
  return readFileSync(SCHEMA, 'utf8')
}

/** The policies that Redoubt comes with, in the order of their names. */
export function defaultPolicyFiles(): readonly PolicyFile[] {
  return readdirSync(DEFAULTS)
    .filter((name) => name.endsWith('.cedar'))
    .sort()
    .map((name) => ({ name, text: readFileSync(new URL(name, DEFAULTS), 'utf8') }))
}

/** The statements that the bundled policies are held to. */
export function defaultInvariants(): PolicyFile {
  return bundledFile('defaults.invariants.yaml')
}

/** The truth tables of the bundled policies, in the order of their names. */
export function defaultPolicyTables(): readonly PolicyFile[] {
  return readdirSync(DEFAULTS)
    .filter((name) => name.endsWith('.policy-test.yaml'))
    .sort()
    .map(bundledFile)
}

function bundledFile(name: string): PolicyFile {
  return { name, text: readFileSync(new URL(name, DEFAULTS), 'utf8') }
}
