import { type AuditSink, RedoubtError } from '#foundation/core'

const SELF = { type: 'System', id: 'redoubt' } as const

/** The last entry of a server that ends in order. */
export async function recordStop(audit: AuditSink): Promise<void> {
  try {
    await audit.record({ type: 'server.stop', actor: SELF, action: 'administer', resource: SELF, outcome: 'success' })
  } catch (thrown) {
    // A log that cannot be written must not keep the server from ending.
    if (!(thrown instanceof RedoubtError)) throw thrown
  }
}
