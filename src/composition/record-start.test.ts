import { expect, it } from 'vitest'
import type { AuditEvent } from '#foundation/core'
import { configuration } from './configuration.ts'
import { recordStart } from './record-start.ts'

it('names the connections that may be weaker, and until when, in the first entry of a run (A2, E3)', async () => {
  const events: AuditEvent[] = []
  const audit = { record: async (event: AuditEvent) => ({ index: events.push(event) - 1, leafHash: '' }) }
  const exception = { leg: 'upstream/old', allow: 'tls1.2', reason: 'Mr Roe is slow', until: '2027-06-30' } as const
  await recordStart(audit, { ...configuration({}, {}), legs: { exceptions: [exception] } })
  expect(events).toMatchObject([
    { type: 'server.start', details: { legExceptions: [{ leg: 'upstream/old', allow: 'tls1.2', until: '2027-06-30' }] } },
  ])
  expect(JSON.stringify(events)).not.toContain('Roe')
})
