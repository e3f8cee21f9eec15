import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer, type Server as NetServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { upstreamsSchema } from '#gateway/serving'
import { BOOTSTRAP_KEY_FILE } from '#trust/client'
import { startServer } from './compose.ts'
import { configuration, type Configuration } from './configuration.ts'
import { takeDataDirectory, takeSecretsDirectory } from './data-directory.ts'
import { collectStartUpGarbage } from './start-up-garbage.ts'
import { PROCESS } from './surroundings.ts'

/** The starter workspace is made, its model trained: longer than a test may otherwise take, on a busy machine. */
const WHOLE_START_MS = 60_000
const CHEAP = { memoryKiB: 19_456, passes: 2, parallelism: 1 }

describe('starting the house', () => {
  let root: string
  const dataDir = (): string => join(root, 'data')
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'redoubt-compose-'))
  })
  afterEach(() => rmSync(root, { recursive: true, force: true }))

  const configured = (change: Partial<Configuration> = {}): Configuration => ({
    ...configuration({ dataDir: dataDir(), secretsDir: join(root, 'secrets'), port: 0 }, {}),
    ...change,
  })

  async function failure(of: Configuration): Promise<unknown> {
    try {
      await startServer(of, () => undefined)
      return 'started'
    } catch (thrown) {
      return (thrown as { code?: unknown }).code
    }
  }

  function expectFree(): void {
    takeDataDirectory(dataDir()).release()
  }

  it('leaves nothing locked and nothing listening when a late step fails', async () => {
    // Upstreams are opened after the listener, identity and the log: everything has to be taken down again.
    const chat = upstreamsSchema.parse({
      upstreams: { bad: { baseUrl: 'https://upstream.invalid/v1', apiKey: 'env:REDOUBT_NO_SUCH_VARIABLE' } },
      models: { m: { upstream: 'bad', model: 'm' } },
    })
    const port = await freePort()
    const base = configured({ chat })
    expect(await failure({ ...base, server: { ...base.server, port } })).toBe('ERR_CONFIG_SECRET')
    expectFree()
    const probe = await listening(port)
    await new Promise((resolve) => probe.close(resolve))
  })

  it(
    'lets what a start leaves in memory be collected, once, before it is ready',
    async () => {
      let collected = 0
      const beforeReady = (): void => void collected++
      const server = await startServer(configured(), () => undefined, { ...PROCESS, kdf: CHEAP, starterRows: 50, beforeReady })
      await server.ready
      expect(collected).toBe(1)
      await server.close()
      expect(collected).toBe(1)
      expect(PROCESS.beforeReady).toBe(collectStartUpGarbage)
    },
    WHOLE_START_MS,
  )

  it(
    'does not share the secrets directory of another development server, whose keys it would replace',
    async () => {
      const secretsDir = join(root, 'secrets')
      const first = await startServer(configured(), () => undefined, { ...PROCESS, kdf: CHEAP, starterRows: 50 })
      await first.ready
      const key = readFileSync(join(secretsDir, BOOTSTRAP_KEY_FILE), 'utf8')
      const other = join(root, 'other-data')
      await expect(startServer(configured({ dataDir: other }), () => undefined)).rejects.toMatchObject({
        code: 'ERR_STORAGE_LOCKED',
        message: expect.stringContaining(secretsDir),
      })
      expect(readFileSync(join(secretsDir, BOOTSTRAP_KEY_FILE), 'utf8')).toBe(key)
      takeDataDirectory(other).release()
      await first.close()
      takeSecretsDirectory(secretsDir).release()
    },
    WHOLE_START_MS,
  )

  it('does not begin a second log where one was lost (E5)', async () => {
    const chat = upstreamsSchema.parse({
      upstreams: { bad: { baseUrl: 'https://upstream.invalid/v1', apiKey: 'env:REDOUBT_NO_SUCH_VARIABLE' } },
      models: { m: { upstream: 'bad', model: 'm' } },
    })
    expect(await failure(configured({ chat }))).toBe('ERR_CONFIG_SECRET')
    expect(existsSync(join(dataDir(), 'log', 'checkpoint'))).toBe(true)
    rmSync(join(dataDir(), 'log'), { recursive: true })
    expect(await failure(configured())).toBe('ERR_AUDIT_CORRUPT')
    expectFree()
  })
})

function listening(port: number): Promise<NetServer> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(port, '127.0.0.1', () => resolve(server))
  })
}

async function freePort(): Promise<number> {
  const server = await listening(0)
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => server.close(resolve))
  return port
}
