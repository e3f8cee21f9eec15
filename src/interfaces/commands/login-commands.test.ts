import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Command } from 'commander'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Login } from '#trust/client'
import { openTlsServer, type TlsServer } from '../../../test/fixtures/tls-server.ts'
import { loginCommands } from './login-commands.ts'
import { runProgram, withGlobalOptions } from './program.ts'

let folder: string
let server: TlsServer
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'redoubt-login-command-'))
  server = await openTlsServer((req, res) => {
    const answers: Readonly<Record<string, object>> = {
      '/oauth/device-authorization': {
        device_code: 'device-code',
        user_code: 'BCDF-GHJK',
        verification_uri: `${server.issuer}/device`,
        verification_uri_complete: `${server.issuer}/device?user_code=BCDF-GHJK`,
        expires_in: 600,
        interval: 1,
      },
      '/oauth/token': { access_token: 'access', refresh_token: 'refresh', expires_in: 600, token_type: 'DPoP' },
      '/oauth/revoke': {},
      '/api/v1/whoami': { id: 'ada', mfaLevel: 3 },
    }
    req.resume().once('end', () => res.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answers[req.url ?? ''])))
  })
  writeFileSync(join(folder, 'ca.pem'), server.authorityPem)
  process.env['XDG_CONFIG_HOME'] = folder
})
afterEach(() => {
  delete process.env['XDG_CONFIG_HOME']
  server.close()
  rmSync(folder, { recursive: true, force: true })
})

async function login() {
  const program = new Command('redoubt').enablePositionalOptions()
  for (const command of loginCommands()) program.addCommand(withGlobalOptions(command))
  let [out, err] = ['', '']
  const terminal = { writeOut: (text: string) => void (out += text), writeErr: (text: string) => void (err += text) }
  const code = await runProgram(program, ['node', 'redoubt', 'login', '--url', server.issuer, '--data-dir', folder], terminal)
  return { code, out, err }
}

describe('redoubt login (B4)', () => {
  it('says of a login of an older version that it is replaced, before it asks; of one of today, nothing', async () => {
    const kept = new Login({ server: server.issuer, folder: join(folder, 'redoubt'), ca: () => server.authorityPem })
    const first = await login()
    expect([first.code, first.out], first.err).toEqual([0, expect.stringContaining('logged in as ada, level 3')])
    expect(first.err).not.toContain('older version')

    const { issuer: _, ...older } = JSON.parse(readFileSync(kept.path, 'utf8')) as Record<string, unknown>
    writeFileSync(kept.path, JSON.stringify(older))
    const second = await login()
    expect([second.code, second.out]).toEqual([0, expect.stringContaining('logged in as ada, level 3')])
    expect(second.err).toMatch(/^the login kept here is of an older version and opens nothing any more; this one replaces it\nopen /)
    expect(JSON.parse(readFileSync(kept.path, 'utf8'))).toMatchObject({ issuer: server.issuer, accessToken: 'access' })
  })
})
