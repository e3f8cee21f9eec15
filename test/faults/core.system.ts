import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { freePort, Installation, WholeServer } from './whole-server.ts'

const MAIN = new URL('../../src/main.ts', import.meta.url).pathname
const PATTERN = readFileSync('/proc/sys/kernel/core_pattern', 'utf8').trim()
/** The most that this host lets anyone set: `unlimited` as a rule. */
const MOST = spawnSync('/bin/sh', ['-c', 'ulimit -H -c'], { encoding: 'utf8' }).stdout.trim()

/** New files named as this kernel names core files, in a folder. */
const cores = (folder: string): readonly string[] =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => /(^|\/)core([.-].*)?$/.test(name))

/** What the kernel leaves of a process that ends by this signal, started with these limits. */
function crash(folder: string, limit: string): readonly string[] {
  const script = `process.kill(process.pid, 'SIGSEGV'); setTimeout(() => {}, 5000)`
  spawnSync('/bin/sh', ['-c', `ulimit -c ${limit} && exec "$0" -e "$1"`, process.execPath, script], { cwd: folder, stdio: 'ignore' })
  return cores(folder)
}

describe('a server that crashes', () => {
  const installation = new Installation()
  const scratch = mkdtempSync(join(tmpdir(), 'redoubt-core-'))
  beforeAll(async () => {
    installation.port = await freePort()
  })
  afterAll(() => {
    installation.remove()
    rmSync(scratch, { recursive: true, force: true })
  })

  it('would leave a core file here without a limit (positive control)', () => {
    if (!PATTERN.startsWith('core') || MOST === '0') {
      console.log(
        `dumps of this host go to \`${PATTERN}\`, limited to ${MOST}: what follows shows the limit and the filter, not the missing file`,
      )
      return
    }
    expect(crash(scratch, MOST)).toHaveLength(1)
    rmSync(join(scratch, cores(scratch)[0]!))
    expect(crash(scratch, '0')).toEqual([])
  })

  it.each(['SIGSEGV', 'SIGABRT'] as const)(
    'by %s leaves no core file, though it was started where they are unlimited (A1)',
    async (signal) => {
      const shell = `ulimit -c ${MOST} && exec "$0" up`
      const environment = {
        PATH: process.env['PATH'],
        HOME: installation.root,
        REDOUBT_DATA_DIR: installation.dataDir,
        REDOUBT_SECRETS_DIR: installation.secretsDir,
        REDOUBT_PORT: String(installation.port),
      }
      const shim = new URL('../../bin/redoubt', import.meta.url).pathname
      const child = spawn('/bin/sh', ['-c', shell, shim], { cwd: installation.root, stdio: ['ignore', 'pipe', 'pipe'], env: environment })
      const server = new WholeServer(installation, child)
      await server.untilReady()
      // Dumps that the system pipes to a handler are not bound by the limit: they would hold no memory.
      expect(readFileSync(`/proc/${server.pid}/coredump_filter`, 'utf8').trim()).toBe('00000000')
      const doctor = await installation.command(['doctor', '--json'])
      const findings = (JSON.parse(doctor.out) as { findings: { check: string; state: string }[] }).findings
      expect(findings.find(({ check }) => check === 'core dumps')).toMatchObject({ state: 'ok' })
      expect((await server.kill(signal)).signal).toBe(signal)
      expect([cores(installation.root), cores(installation.dataDir)]).toEqual([[], []])
      expect(existsSync(join(process.cwd(), 'core'))).toBe(false)
    },
  )

  it('does not start in production where a core file could be written, and says how', () => {
    const { status, stderr } = spawnSync('/bin/sh', ['-c', `ulimit -c ${MOST} && exec "$0" "$1"`, process.execPath, MAIN], {
      cwd: installation.root,
      encoding: 'utf8',
      timeout: 60_000,
      env: {
        PATH: process.env['PATH'],
        REDOUBT_DATA_DIR: join(scratch, 'data'),
        REDOUBT_PORT: String(installation.port),
        REDOUBT_CONFIG: production(scratch),
      },
    })
    expect(MOST, 'this host lets nobody write core files, so nothing can be refused here').not.toBe('0')
    expect([status, /ERR_CONFIG_INSECURE/.test(stderr), stderr.includes('ulimit -c 0')], stderr).toEqual([1, true, true])
  })
})

function production(folder: string): string {
  const path = join(folder, 'redoubt.yaml')
  writeFileSync(join(folder, 'passphrase'), 'a passphrase that is long enough', { mode: 0o600 })
  writeFileSync(path, `profile: production\npassphrase: 'file:${folder}/passphrase'\naudit: { outsideFolder: '${folder}/outside' }\n`)
  return path
}
