import { describe, expect, it } from 'vitest'
import { RedoubtError } from '#foundation/core'
import { Cancellation } from './cancellation.ts'
import { principal } from './pipeline.fixtures.ts'
import { RunningStreams, SWEEP_INTERVAL_MS } from './running-streams.ts'
import type { Call } from './surface.ts'

const call = (unservable: () => RedoubtError | null = () => null): Call => ({ stillServable: unservable }) as Partial<Call> as Call

describe('Cancellation', () => {
  it('tells everyone the first reason, once', () => {
    const cancellation = new Cancellation()
    const heard: string[] = []
    cancellation.onCancel(({ code }) => heard.push(`a ${code}`))
    cancellation.onCancel(({ code }) => heard.push(`b ${code}`))
    expect(cancellation.reason).toBeNull()
    cancellation.cancel(new RedoubtError('ERR_DRAINING'))
    cancellation.cancel(new RedoubtError('ERR_TOKEN_REVOKED'))
    expect(heard).toEqual(['a ERR_DRAINING', 'b ERR_DRAINING'])
    expect(cancellation.reason?.code).toBe('ERR_DRAINING')
  })

  it('tells a late listener at once', () => {
    const cancellation = new Cancellation()
    cancellation.cancel(new RedoubtError('ERR_DRAINING'))
    let heard = ''
    cancellation.onCancel(({ code }) => (heard = code))
    expect(heard).toBe('ERR_DRAINING')
  })
})

describe('RunningStreams', () => {
  it('is swept at least twice in the second within which a revocation must take effect (B8)', () => {
    expect(SWEEP_INTERVAL_MS).toBeLessThanOrEqual(500)
  })

  it('cuts only those whose token or model may not go on (B8)', () => {
    const revoked = principal({ name: 'revoked' })
    const streams = new RunningStreams({ stillValid: (who) => (who === revoked ? 'ERR_TOKEN_REVOKED' : null) })
    const [good, bad, stale] = [new Cancellation(), new Cancellation(), new Cancellation()]
    streams.add({ principal: principal(), call: call(), cancellation: good, decideAgain: () => null })
    streams.add({ principal: revoked, call: call(), cancellation: bad, decideAgain: () => null })
    streams.add({
      principal: principal(),
      call: call(() => new RedoubtError('ERR_MODEL_QUARANTINED')),
      cancellation: stale,
      decideAgain: () => null,
    })
    streams.sweep()
    expect([good.reason, bad.reason?.code, stale.reason?.code]).toEqual([null, 'ERR_TOKEN_REVOKED', 'ERR_MODEL_QUARANTINED'])
  })

  it('forgets a stream that has ended', () => {
    const streams = new RunningStreams({ stillValid: () => 'ERR_TOKEN_EXPIRED' })
    const cancellation = new Cancellation()
    const leave = streams.add({ principal: principal(), call: call(), cancellation, decideAgain: () => null })
    expect(streams.size).toBe(1)
    leave()
    streams.sweep()
    expect([streams.size, cancellation.reason]).toEqual([0, null])
  })

  it('looks at all that run, in whatever order others leave, and twice for nobody (B8)', () => {
    const streams = new RunningStreams({ stillValid: () => 'ERR_TOKEN_REVOKED' })
    const all = Array.from({ length: 5 }, () => {
      const cancellation = new Cancellation()
      return { cancellation, leave: streams.add({ principal: principal(), call: call(), cancellation, decideAgain: () => null }) }
    })
    for (const i of [1, 4, 1, 0]) all[i]?.leave()
    expect(streams.size).toBe(2)
    streams.sweep()
    expect(all.map(({ cancellation }) => cancellation.reason?.code ?? null)).toEqual([
      null,
      null,
      'ERR_TOKEN_REVOKED',
      'ERR_TOKEN_REVOKED',
      null,
    ])
  })

  it('looks at the others when one that is cut leaves at once (B8)', () => {
    const streams = new RunningStreams({ stillValid: () => 'ERR_TOKEN_REVOKED' })
    const all = Array.from({ length: 3 }, () => {
      const cancellation = new Cancellation()
      cancellation.onCancel(streams.add({ principal: principal(), call: call(), cancellation, decideAgain: () => null }))
      return cancellation
    })
    streams.sweep()
    expect([all.map(({ reason }) => reason?.code), streams.size]).toEqual([Array(3).fill('ERR_TOKEN_REVOKED'), 0])
  })

  it('cuts a stream whose check fails, and looks at the others all the same (fail closed)', () => {
    const streams = new RunningStreams({ stillValid: () => null })
    const [broken, stale] = [new Cancellation(), new Cancellation()]
    const failing = call(() => {
      throw new TypeError('broken')
    })
    streams.add({ principal: principal(), call: failing, cancellation: broken, decideAgain: () => null })
    streams.add({
      principal: principal(),
      call: call(() => new RedoubtError('ERR_MODEL_UNDEPLOYED')),
      cancellation: stale,
      decideAgain: () => null,
    })
    streams.sweep()
    expect([broken.reason?.code, stale.reason?.code]).toEqual(['ERR_INTERNAL', 'ERR_MODEL_UNDEPLOYED'])
  })
})
