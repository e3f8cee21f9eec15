import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { ManualClock } from '#foundation/core'
import type { ServerCertificate } from '#foundation/crypto'
import { silentLogger } from '#foundation/telemetry'
import { renewCertificate } from './certificate-renewal.ts'

const HOUR = 3_600_000
const certificate = (name: string, issuedAt: number): ServerCertificate =>
  ({
    certificatePem: name,
    privateKeyPem: `key of ${name}`,
    renewAt: issuedAt + 16 * HOUR,
    notAfter: issuedAt + 24 * HOUR,
  }) satisfies ServerCertificate

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

describe('the certificate of a listener (A2)', () => {
  const open = (issue: () => Promise<ServerCertificate>) => {
    const clock = new ManualClock(0)
    const setSecureContext = vi.fn()
    const parts = { certificates: { authorityPem: '', issue }, clock, logger: silentLogger }
    const renewal = renewCertificate({ setSecureContext }, certificate('first', 0), parts)
    return { clock, setSecureContext, renewal }
  }

  it('is kept for two thirds of its life and then made anew, for connections to come', async () => {
    const issue = vi.fn(async () => certificate('second', 16 * HOUR))
    const { clock, setSecureContext, renewal } = open(issue)
    clock.advance(16 * HOUR - 1)
    await vi.advanceTimersByTimeAsync(60_000)
    expect(issue).not.toHaveBeenCalled()
    clock.advance(1)
    await vi.advanceTimersByTimeAsync(60_000)
    expect(setSecureContext).toHaveBeenCalledWith(expect.objectContaining({ cert: 'second', key: 'key of second', minVersion: 'TLSv1.3' }))
    expect(renewal.present().notAfter).toBe(40 * HOUR)
    await vi.advanceTimersByTimeAsync(600_000)
    expect(issue).toHaveBeenCalledTimes(1)
    renewal.stop()
  })

  it('stays, and is asked for again, when none can be made; and is not renewed after the end', async () => {
    const issue = vi.fn(async (): Promise<ServerCertificate> => Promise.reject(new Error('the log takes nothing')))
    const { clock, setSecureContext, renewal } = open(issue)
    clock.advance(17 * HOUR)
    await vi.advanceTimersByTimeAsync(120_000)
    expect([issue.mock.calls.length, setSecureContext.mock.calls.length, renewal.present().certificatePem]).toEqual([2, 0, 'first'])
    renewal.stop()
    await vi.advanceTimersByTimeAsync(600_000)
    expect(issue).toHaveBeenCalledTimes(2)
  })
})
