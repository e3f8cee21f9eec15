import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { request } from 'node:https'
import { createServer, connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { systemClock } from '#foundation/core'
import { nodeFolder, openDatabase } from '#foundation/storage'
import { silentLogger } from '#foundation/telemetry'
import { runProgram } from '#interfaces/commands'
import { makeShares, openKeyring, ShareCollector } from '#trust/keys'
import { configuration } from './configuration.ts'
import { type DataDirectory, takeDataDirectory } from './data-directory.ts'
import { createProgram } from './program.ts'
import { unsealed } from './unsealing.ts'

const QUICK_KDF = { memoryKiB: 19_456, passes: 2, parallelism: 1 }
const use = { principal: { type: 'Account', id: 'ada' }, purpose: 'p', resource: { type: 'Key', id: 'root' } } as const

describe('a sealed server (A5)', () => {
  let root: string
  let directory: DataDirectory
  let port: number
  const shares = makeShares({ threshold: 2, of: 3 })

  beforeEach(async () => {
    root = mkdtempSync(join(tmpdir(), 'rd-seal-'))
    directory = takeDataDirectory(join(root, 'data'))
    const database = openDatabase(':memory:')
    const keyring = await openKeyring({
      folder: nodeFolder(directory.at('keys')),
      database,
      passphrase: Buffer.from('a passphrase'),
      clock: systemClock,
      kdf: QUICK_KDF,
    })
    const audit = { record: async () => ({ index: 0, leafHash: '' }) }
    await keyring.keys(audit).reseal(shares.secret, shares.set, use)
    keyring.close()
    await database.close()
    port = await freePort()
  })
  afterEach(() => {
    directory.release()
    rmSync(root, { recursive: true, force: true })
  })

  async function waiting(stop?: AbortSignal) {
    const { server } = configuration({ port, dataDir: directory.path }, {})
    const warned = Promise.withResolvers<string>()
    const collector = ShareCollector.open(nodeFolder(directory.at('keys')))
    const opening = unsealed({ collector, directory, server, clock: systemClock, logger: silentLogger, warn: warned.resolve, stop })
    opening.catch(() => undefined)
    await Promise.race([warned.promise, opening])
    return { opening }
  }

  async function unseal(share: string): Promise<{ code: number; out: string }> {
    writeFileSync(join(root, 'share'), share, { mode: 0o600 })
    let out = ''
    const write = (text: string): void => void (out += text)
    const argv = ['node', 'redoubt', 'keys', 'unseal', '--share-from', `file:${join(root, 'share')}`, '--data-dir', directory.path]
    const code = await runProgram(createProgram([]), argv, { writeOut: write, writeErr: write })
    return { code, out }
  }

  const probe = (path: string): Promise<string> =>
    new Promise((resolve, reject) => {
      request({ port, path, rejectUnauthorized: false, agent: false }, (response) => {
        let text = ''
        response.on('data', (part: Buffer) => (text += part.toString())).on('end', () => resolve(`${response.statusCode} ${text.trim()}`))
      })
        .on('error', reject)
        .end()
    })

  it('opens when enough holders have given their shares, says meanwhile that it is sealed, and leaves nothing behind', async () => {
    const { opening } = await waiting()
    expect(await probe('/readyz')).toBe('503 sealed 0 of 2 ERR_KEYS_SEALED')
    expect(await probe('/livez')).toBe('200 ok')
    expect(await probe('/v1/models')).toMatch(/^503 .*ERR_KEYS_SEALED/)
    expect(statSync(directory.at('unseal.sock')).mode & 0o777).toBe(0o600)
    expect(await unseal(shares.texts[2]!)).toEqual({ code: 0, out: '1 of 2 shares are given\n' })
    expect(await probe('/readyz')).toBe('503 sealed 1 of 2 ERR_KEYS_SEALED')
    const again = await unseal(shares.texts[2]!)
    expect([again.code, again.out.includes('ERR_KEYS_SHARE')]).toEqual([1, true])
    const foreign = await unseal(makeShares({ threshold: 2, of: 3 }).texts[0]!)
    expect([foreign.code, foreign.out.includes('another set')]).toEqual([1, true])
    expect((await unseal(shares.texts[0]!)).out).toContain('the keyring is open')
    expect(Buffer.from(await opening).equals(shares.secret)).toBe(true)
    await expect(probe('/readyz')).rejects.toThrow(/ECONNREFUSED/)
    const none = await unseal(shares.texts[0]!)
    expect([none.code, none.out.includes('no sealed server')]).toEqual([1, true])
  })

  it('bounds what a holder sends', async () => {
    const { opening } = await waiting()
    const answers = []
    for (const line of ['x'.repeat(100_000), '{"share": 1}\n', '[[[[[[]]]]]]\n', '\n'])
      answers.push(
        await new Promise<string>((resolve) => {
          let text = ''
          const socket = connect(directory.at('unseal.sock'), () => void socket.write(line))
          socket.on('data', (part) => (text += part.toString())).on('error', () => undefined)
          socket.on('close', () => resolve(/"code":"(\w+)"/.exec(text)?.[1] ?? text))
        }),
      )
    expect(answers).toEqual(['ERR_INPUT_TOO_LARGE', 'ERR_KEYS_SHARE', 'ERR_INPUT_TOO_DEEP', 'ERR_INPUT_MALFORMED'])
    await unseal(shares.texts[0]!)
    await unseal(shares.texts[1]!)
    expect(await opening).toHaveLength(32)
  })

  it('ends when it is told to stop', async () => {
    const stopping = new AbortController()
    const { opening } = await waiting(stopping.signal)
    stopping.abort()
    await expect(opening).rejects.toMatchObject({ code: 'ERR_DRAINING' })
    await expect(probe('/livez')).rejects.toThrow(/ECONNREFUSED/)
  })
})

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer()
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number }
      server.close(() => resolve(port))
    })
  })
}
