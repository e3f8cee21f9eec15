import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { blocksOf, documents } from './document.ts'
import { UserShell, userEnvironment } from './user-shell.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
/** What a reader may be asked to take on trust; each has its reason in the document. */
const MAX_BLOCKS_NOT_RUN = 2
const BLOCK_TIMEOUT_MS = 120_000
const INSTALL_TIMEOUT_MS = 300_000
/** From the end of the installation to the greeting. */
const READY_WITHIN_MS = 60_000

const all = documents(root).flatMap((document) => blocksOf(root, document))
const serve = all.filter((block) => block.kind === 'serve')

/** A clean clone, as far as git is concerned: what is tracked or would be, nothing that was built or installed. */
function cloneTo(folder: string): void {
  const files = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], { cwd: root, encoding: 'utf8' })
  for (const file of files.split('\0').filter((name) => name !== '')) {
    mkdirSync(dirname(join(folder, file)), { recursive: true })
    cpSync(join(root, file), join(folder, file), { force: true })
  }
}

const answers = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })

describe('README and guides, as a new user runs them in a clean clone', () => {
  const scratch = mkdtempSync(join(tmpdir(), 'redoubt-readme-'))
  const clone = join(scratch, 'redoubt')
  const home = join(scratch, 'home')
  const environment = userEnvironment(home)
  let server: ChildProcess
  let greeting = ''
  let readyMs = Number.POSITIVE_INFINITY

  beforeAll(async () => {
    mkdirSync(home)
    cloneTo(clone)
    expect(serve.map((block) => block.text)).toEqual(['npm ci && npm start'])
    let building = 0
    server = spawn('bash', ['-c', serve[0]!.text], { cwd: clone, env: environment, stdio: ['ignore', 'pipe', 'pipe'], detached: true })
    await new Promise<void>((resolve, reject) => {
      let errors = ''
      server.stdout!.setEncoding('utf8').on('data', (text: string) => {
        greeting += text
        if (!greeting.includes('Not for real data.\n')) return
        readyMs = Date.now() - building
        resolve()
      })
      server.stderr!.setEncoding('utf8').on('data', (text: string) => {
        errors += text
        if (errors.includes('building…') && building === 0) building = Date.now()
      })
      server.once('exit', (code) => reject(new Error(`npm start ended with ${code}:\n${greeting}\n${errors}`)))
    })
  }, INSTALL_TIMEOUT_MS)

  afterAll(() => {
    if (server?.pid !== undefined && server.exitCode === null) process.kill(-server.pid, 'SIGKILL')
    rmSync(scratch, { recursive: true, force: true })
  })

  it(`is ready within ${READY_WITHIN_MS / 1000} s of the end of the installation`, () => {
    console.log(`ready ${(readyMs / 1000).toFixed(1)} s after the installation`)
    expect(readyMs).toBeLessThan(READY_WITHIN_MS)
    expect(
      spawnSync('curl', ['-fsS', '--cacert', '.redoubt/data/ca.pem', 'https://localhost:8443/readyz'], { cwd: clone, encoding: 'utf8' })
        .stdout,
    ).toBe('ready\n')
  })

  it('prints the address, the enrolment link, how to trust the CA, and a curl line that works as printed, in any folder', () => {
    expect(greeting).toContain('Redoubt serves at https://localhost:8443\n')
    expect(greeting).toMatch(/^ {4}https:\/\/localhost:8443\/enrol\/[\w-]{43}$/m)
    expect(greeting).toMatch(/^ {4}REDOUBT_DATA_DIR=\S+ \S+\/bin\/redoubt trust$/m)
    const lines = greeting.split('\n')
    const first = lines.findIndex((line) => line.trimStart().startsWith('curl '))
    const last = lines.findIndex((line, i) => i >= first && !line.endsWith('\\'))
    const call = spawnSync('bash', ['-c', lines.slice(first, last + 1).join('\n')], { cwd: home, env: environment, encoding: 'utf8' })
    const answer = JSON.parse(call.stdout) as { outputs: readonly { name: string; data: readonly number[] }[] }
    const probability = answer.outputs.find((output) => output.name === 'probability')!.data[0]!
    expect(probability).toBeGreaterThan(0)
    expect(probability).toBeLessThan(1)
  })

  it('leaves few blocks out, each for a reason', () => {
    const left = all.filter((block) => block.kind !== '' && block.kind !== 'serve')
    for (const { document, line, kind } of left) console.log(`not run here: ${document}:${line} (${kind})`)
    for (const { kind } of left) expect(kind).toMatch(/^(?:run-by-ci|no-run: .{10,})$/)
    expect(left.length).toBeLessThanOrEqual(MAX_BLOCKS_NOT_RUN)
  })

  describe.each(documents(root))('%s', (document) => {
    let shell: UserShell
    beforeAll(() => {
      shell = new UserShell(clone, environment, scratch)
    })
    afterAll(() => shell.close())

    const blocks = all.filter((block) => block.document === document && block.kind === '')
    it.each(blocks)(
      'line $line',
      async ({ text }) => {
        await shell.run(text, BLOCK_TIMEOUT_MS)
      },
      BLOCK_TIMEOUT_MS + 5_000,
    )
  })

  it('ends by itself within the drain when it is asked to', async () => {
    process.kill(-server.pid!, 'SIGTERM')
    const started = Date.now()
    while (await answers(8443)) {
      expect(Date.now() - started).toBeLessThan(8_000)
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  })
})
