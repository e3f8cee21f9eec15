import { generateKeyPairSync } from 'node:crypto'
import { Agent, get } from 'node:https'
import type { TLSSocket } from 'node:tls'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { ManualClock, systemClock } from '#foundation/core'
import { createCertificateAuthority, issueServerCertificate } from '#foundation/crypto'
import { silentLogger } from '#foundation/telemetry'
import { testCertificates } from './certificates.fixtures.ts'
import { listen } from './listener.ts'

const DAY = 86_400_000
const CALLERS = 6
const RENEWALS = 4

beforeEach(() => void vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] }))
afterEach(() => void vi.useRealTimers())

/** A certificate that a caller shows, by an authority of its own. */
async function clientCertificate(): Promise<{ readonly key: string; readonly cert: string }> {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const now = systemClock.now()
  const authorityPem = await createCertificateAuthority({ privateKey, publicKey, commonName: 'callers', now })
  const subject = { dnsNames: ['caller'], ipAddresses: [], spiffeId: 'spiffe://callers/one' }
  const { privateKeyPem, certificatePem } = await issueServerCertificate({ authorityPem, authorityKey: privateKey, ...subject, now })
  return { key: privateKeyPem, cert: certificatePem }
}

describe('a listener whose certificate is renewed while it serves (A2)', () => {
  it('drops no request: on old connections, on new ones, on resumed ones, and in the middle of an answer', async () => {
    const certificates = await testCertificates()
    const clock = new ManualClock(systemClock.now())
    // Whole answers say whose certificate the caller showed: what is asked of callers is as before.
    const listener = await listen({
      address: '127.0.0.1',
      port: 0,
      certificates,
      clock,
      logger: silentLogger,
      handle: (request, response) => {
        if (request.url === '/long') response.write('begun ')
        else response.end((request.socket as TLSSocket).getPeerCertificate().subjectaltname ?? 'nobody')
        if (request.url === '/long') finishLong = () => response.end('ended')
      },
    })
    let finishLong = (): void => undefined
    const known = { ca: certificates.authorityPem, servername: 'localhost', ...(await clientCertificate()) }
    const seen = new Set<string>()
    const ask = (agent: Agent, path = '/'): Promise<string> =>
      new Promise((resolve, reject) => {
        const request = get({ host: '127.0.0.1', port: listener.port, path, agent }, (response) => {
          // A resumed session repeats no certificate.
          const shown = (response.socket as TLSSocket).getPeerX509Certificate()
          if (shown !== undefined) seen.add(shown.fingerprint256)
          let body = ''
          response.on('data', (part: Buffer) => (body += part.toString()))
          response.once('end', () => (response.complete ? resolve(body) : reject(new Error('cut off'))))
          response.once('error', reject)
        })
        request.once('error', reject)
      })
    const kept = new Agent({ ...known, keepAlive: true, maxSockets: 1 })
    // Sessions are remembered between connections, so that these are resumed.
    const fresh = new Agent({ ...known, keepAlive: false })
    const unremembered = new Agent({ ...known, keepAlive: false, maxCachedSessions: 0 })
    try {
      const long = ask(new Agent(known), '/long')
      const stop = new AbortController()
      const answers: string[] = []
      const callers = Array.from({ length: CALLERS }, async (_, i) => {
        const agent = [kept, fresh, unremembered][i % 3]!
        while (!stop.signal.aborted) answers.push(await ask(agent))
      })
      const first = listener.certificateNotAfter()
      for (let renewal = 0; renewal < RENEWALS; renewal++) {
        const before = answers.length
        clock.advance(DAY)
        await vi.advanceTimersByTimeAsync(60_000)
        await vi.waitFor(() => expect(answers.length).toBeGreaterThan(before + 3 * CALLERS), { timeout: 10_000 })
      }
      stop.abort()
      await Promise.all(callers)
      finishLong()
      expect(await long).toBe('begun ended')
      expect(new Set(answers)).toEqual(new Set(['DNS:caller, URI:spiffe://callers/one']))
      expect(listener.certificateNotAfter()).toBeGreaterThanOrEqual(first)
      expect(seen.size).toBeGreaterThanOrEqual(RENEWALS)
    } finally {
      for (const agent of [kept, fresh, unremembered]) agent.destroy()
      await listener.close(0, () => undefined)
    }
  })
})
