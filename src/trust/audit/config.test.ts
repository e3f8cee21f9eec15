import { expect, it } from 'vitest'
import { auditConfig } from './config.ts'

const accepts = (url: string): boolean => auditConfig.safeParse({ witnesses: [{ url, verifierKeys: ['k'] }] }).success

it('reaches a witness by TLS, or on this host (A2)', () => {
  for (const url of ['https://witness.example/', 'http://127.0.0.1:9000/', 'http://localhost:9000', 'http://[::1]:9000/'])
    expect([url, accepts(url)]).toEqual([url, true])
  for (const url of [
    'http://witness.example/',
    'http://10.0.0.1/',
    'http://127.0.0.1.example/',
    'http://localhost.example/',
    'ftp://127.0.0.1/',
    'file:///etc/passwd',
    'https://user:word@witness.example/',
    'http://0177.0.0.1.evil/',
  ])
    expect([url, accepts(url)]).toEqual([url, false])
})
