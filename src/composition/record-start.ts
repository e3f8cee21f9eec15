import type { AuditSink } from '#foundation/core'
import type { Configuration } from './configuration.ts'
import { VERSION } from './version.ts'

const SELF = { type: 'System', id: 'redoubt' } as const

/** The first entry of a run: as what the server runs, what opened its keyring, and which connections may be weaker until when. */
export async function recordStart(
  audit: AuditSink,
  { profile, keys, legs }: Pick<Configuration, 'profile' | 'keys' | 'legs'>,
): Promise<void> {
  // Reasons are free text, and the log is for ever.
  const legExceptions = legs.exceptions.map(({ leg, allow, until }) => ({ leg, allow, until }))
  const details = { version: VERSION, profile, keyProvider: keys.provider.kind, unseal: keys.unseal, legExceptions }
  await audit.record({ type: 'server.start', actor: SELF, action: 'administer', resource: SELF, outcome: 'success', details })
}
