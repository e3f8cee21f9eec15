import 'reflect-metadata'
import { generateKeyPairSync, X509Certificate } from 'node:crypto'
import type { AddressInfo } from 'node:net'
import { connect, createServer, type ConnectionOptions, type TLSSocket } from 'node:tls'
import { BasicConstraintsExtension, X509Certificate as Certificate } from '@peculiar/x509'
import { describe, expect, it } from 'vitest'
import { createCertificateAuthority, issueServerCertificate } from './certificates.ts'
import { TLS_OPTIONS } from './tls.ts'

const HOUR = 3_600_000
const now = Date.now()
const authorityKeys = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const authority = (): Promise<string> => createCertificateAuthority({ ...authorityKeys, commonName: 'Redoubt local CA', now })
const request = {
  dnsNames: ['localhost', 'redoubt.example'],
  ipAddresses: ['127.0.0.1', '::1'],
  spiffeId: 'spiffe://redoubt.local/server',
  now,
}

describe('the certificate authority', () => {
  it('signs server certificates only, and itself', async () => {
    const certificate = new X509Certificate(await authority())
    expect(certificate.ca).toBe(true)
    expect(certificate.verify(authorityKeys.publicKey)).toBe(true)
    expect(certificate.checkPrivateKey(authorityKeys.privateKey)).toBe(true)
    expect(certificate.subject).toBe('CN=Redoubt local CA')
  })

  it('issues a certificate for names, addresses and a SPIFFE id, valid for 24 hours (A2)', async () => {
    const authorityPem = await authority()
    const issued = await issueServerCertificate({ ...request, authorityPem, authorityKey: authorityKeys.privateKey })
    const certificate = new X509Certificate(issued.certificatePem)
    expect(certificate.verify(authorityKeys.publicKey)).toBe(true)
    expect(certificate.checkIssued(new X509Certificate(authorityPem))).toBe(true)
    const basicConstraints = new Certificate(issued.certificatePem).getExtension(BasicConstraintsExtension)
    expect([certificate.ca, basicConstraints?.ca, basicConstraints?.critical]).toEqual([false, false, true])
    for (const name of request.dnsNames) expect(certificate.checkHost(name)).toBe(name)
    expect(certificate.checkHost('other.example')).toBeUndefined()
    expect([certificate.checkIP('127.0.0.1'), certificate.checkIP('::1')]).toEqual(['127.0.0.1', '::1'])
    expect(certificate.subjectAltName).toContain('URI:spiffe://redoubt.local/server')
    expect(certificate.validToDate.getTime() - certificate.validFromDate.getTime()).toBe(24 * HOUR)
    expect(Math.abs(issued.notAfter - certificate.validToDate.getTime())).toBeLessThan(1000)
    expect(issued.renewAt).toBeGreaterThan(now + 15 * HOUR)
    expect(issued.renewAt).toBeLessThan(issued.notAfter - 7 * HOUR)
  })

  it('refuses a key that is not its own, another kind of key and unfit names', async () => {
    const authorityPem = await authority()
    const other = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
    const wrong = generateKeyPairSync('ed25519').privateKey
    const issue = (more: object) => issueServerCertificate({ ...request, authorityPem, authorityKey: authorityKeys.privateKey, ...more })
    for (const more of [
      { authorityKey: other },
      { authorityKey: wrong },
      { spiffeId: 'https://elsewhere' },
      { dnsNames: [''] },
      { dnsNames: Array(70).fill('a.example') },
      { dnsNames: ['x'.repeat(300)] },
    ])
      await expect(issue(more)).rejects.toMatchObject({ code: 'ERR_CRYPTO_PARAMETER' })
  })
})

describe('the TLS policy', () => {
  it('speaks TLS 1.3 with the post-quantum hybrid, and no older version (A2)', async () => {
    const ca = await authority()
    const { certificatePem, privateKeyPem } = await issueServerCertificate({
      ...request,
      authorityPem: ca,
      authorityKey: authorityKeys.privateKey,
    })
    const server = createServer({ cert: certificatePem, key: privateKeyPem, ...TLS_OPTIONS }, (socket) => socket.end('x'))
    server.on('tlsClientError', () => undefined)
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    const dial = (options: ConnectionOptions): Promise<TLSSocket> =>
      new Promise((resolve, reject) => {
        const socket = connect({ host: '127.0.0.1', port, ca, ...options }, () => resolve(socket))
        socket.on('error', reject)
      })
    try {
      const socket = await dial(TLS_OPTIONS)
      expect([socket.getProtocol(), socket.authorized, socket.getEphemeralKeyInfo()]).toEqual([
        'TLSv1.3',
        true,
        expect.objectContaining({ name: 'X25519MLKEM768' }),
      ])
      socket.destroy()
      const classical = await dial({ ecdhCurve: 'P-256' })
      expect(classical.getProtocol()).toBe('TLSv1.3')
      classical.destroy()
      await expect(dial({ maxVersion: 'TLSv1.2' })).rejects.toThrow(/protocol version/i)
      await expect(dial({ ca: [] })).rejects.toThrow(/certificate/i)
    } finally {
      server.close()
    }
  })
})
