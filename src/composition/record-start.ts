import type { AuditSink } from '#foundation/core'
import type { Configuration } from './configuration.ts'
import { VERSION } from './version.ts'

const SELF = { type: 'System', id: 'redoubt' } as const

/** The first entry of a run: as what the server runs, and what opened its keyring. */
export async function recordStart(audit: AuditSink, { profile, keys }: Pick<Configuration, 'profile' | 'keys'>): Promise<void> {
  const details = { version: VERSION, profile, keyProvider: keys.provider.kind, unseal: keys.unseal }
  await audit.record({ type: 'server.start', actor: SELF, action: 'administer', resource: SELF, outcome: 'success', details })
}
