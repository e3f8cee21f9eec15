import { ManualClock } from '#foundation/core'
import { silentLogger } from '#foundation/telemetry'
import { describe, expect, it } from 'vitest'
import { openFixture, RecordingAudit } from './identity.fixtures.ts'
import { RECORDED_PER_WINDOW, RefusalLog, WINDOW_MS } from './refusal-log.ts'

const counted = (audit: RecordingAudit): number =>
  audit.of('authentication.refused').reduce((sum, event) => sum + ((event.details?.['count'] as number | undefined) ?? 0), 0)

describe('the log of refused authentications', () => {
  it('writes a bounded number of events for a flood and still counts every refusal (E3)', () => {
    const audit = new RecordingAudit()
    const clock = new ManualClock(0)
    const log = new RefusalLog(audit, clock, silentLogger)
    const minutes = 30
    for (let i = 0; i < minutes * 1_000; i++) {
      log.noteRefusal('ERR_TOKEN_SIGNATURE', null)
      clock.advance(WINDOW_MS / 1_000)
    }
    log.flush({ all: true })
    expect(audit.events.length).toBeLessThanOrEqual((minutes + 1) * (RECORDED_PER_WINDOW + 1))
    expect(counted(audit)).toBe(minutes * 1_000)
  })

  it('keeps codes and accounts apart, so that a flood of one hides no other', () => {
    const audit = new RecordingAudit()
    const log = new RefusalLog(audit, new ManualClock(0), silentLogger)
    for (let i = 0; i < 10_000; i++) log.noteRefusal('ERR_TOKEN_MISSING', null)
    log.noteRefusal('ERR_TOKEN_EXPIRED', { type: 'ServiceAccount', id: 'scorer' })
    expect(audit.events.at(-1)).toMatchObject({ code: 'ERR_TOKEN_EXPIRED', actor: { id: 'scorer' }, outcome: 'refused' })
  })

  it('says in a summary how many it left out, when the window is over and someone looks', () => {
    const audit = new RecordingAudit()
    const clock = new ManualClock(0)
    const log = new RefusalLog(audit, clock, silentLogger)
    for (let i = 0; i < RECORDED_PER_WINDOW + 5; i++) log.noteRefusal('ERR_TOKEN_MISSING', null)
    log.flush()
    expect(audit.events).toHaveLength(RECORDED_PER_WINDOW)
    clock.advance(WINDOW_MS)
    log.flush()
    expect(audit.events.at(-1)).toMatchObject({ details: { count: 5, summary: true } })
    log.flush()
    expect(audit.events).toHaveLength(RECORDED_PER_WINDOW + 1)
  })

  it('does not grow with the number of accounts that are named', () => {
    const audit = new RecordingAudit()
    const log = new RefusalLog(audit, new ManualClock(0), silentLogger)
    for (let i = 0; i < 5_000; i++) log.noteRefusal('ERR_TOKEN_EXPIRED', { type: 'ServiceAccount', id: `a${i}` })
    log.flush({ all: true })
    expect(audit.events.length).toBeLessThan(1_000 + RECORDED_PER_WINDOW + 2)
    expect(counted(audit)).toBe(5_000)
  })

  it('counts what it could not record', async () => {
    const audit = new RecordingAudit()
    audit.down = true
    const log = new RefusalLog(audit, new ManualClock(0), silentLogger)
    log.noteRefusal('ERR_TOKEN_MISSING', null)
    await Promise.resolve()
    await Promise.resolve()
    expect(log.lost).toBe(1)
  })

  it('is what a flood of bad tokens meets at the door', async () => {
    const fixture = await openFixture()
    try {
      for (let i = 0; i < 5_000; i++) fixture.identity.authenticate({ authorization: 'Bearer x', authorizationCount: 1, url: '/' })
      expect(fixture.audit.of('authentication.refused')).toHaveLength(RECORDED_PER_WINDOW)
      await fixture.identity.close()
      expect(counted(fixture.audit)).toBe(5_000)
    } finally {
      await fixture.close()
    }
  })
})
