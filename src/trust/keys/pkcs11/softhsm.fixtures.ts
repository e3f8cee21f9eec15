import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Pkcs11Config, pkcs11Schema } from './config.ts'
import { BUILD_STEP } from './worker-errors.ts'

const ROOT = fileURLToPath(new URL('../../../..', import.meta.url))
const LIBRARY = '/usr/lib/softhsm/libsofthsm2.so'
/** SoftHSM syncs each key to its folder; where that is memory a test waits for no disk. */
const MEMORY = '/dev/shm'
export const PIN = '73914628'

/** A SoftHSM with one token, in a folder of its own. */
export interface SoftHsm {
  readonly config: Pkcs11Config
  /** SoftHSM's folder of tokens. */
  readonly tokens: string
  readonly pinFile: string
  dispose(): void
}

/** @throws {Error} with what is to be installed when SoftHSM or the native part of `pkcs11js` is missing and cannot be built. */
export function newSoftHsm(options: Partial<Pkcs11Config> = {}): SoftHsm {
  if (!existsSync(LIBRARY)) throw new Error('SoftHSM is not installed: `apt-get install softhsm2`')
  buildPkcs11js()
  const folder = mkdtempSync(join(existsSync(MEMORY) ? MEMORY : tmpdir(), 'redoubt-softhsm-'))
  const tokens = join(folder, 'tokens')
  mkdirSync(tokens)
  const configuration = join(folder, 'softhsm2.conf')
  writeFileSync(configuration, `directories.tokendir = ${tokens}\nobjectstore.backend = file\nlog.level = ERROR\n`)
  process.env['SOFTHSM2_CONF'] = configuration
  const label = ['--label', 'rehearsal', '--so-pin', '82736451', '--pin', PIN]
  execFileSync('softhsm2-util', ['--init-token', '--free', ...label], { stdio: 'pipe' })
  const pinFile = join(folder, 'pin')
  writeFileSync(pinFile, PIN, { mode: 0o600 })
  const config = pkcs11Schema.parse({ kind: 'pkcs11', library: LIBRARY, token: 'rehearsal', pin: `file:${pinFile}`, ...options })
  return { config, tokens, pinFile, dispose: () => rmSync(folder, { recursive: true, force: true }) }
}

/** Installing runs no scripts, so the first test that needs it builds it, as an operator does. */
function buildPkcs11js(): void {
  const built = join(createRequire(import.meta.url).resolve('pkcs11js/package.json'), '../build/Release/pkcs11.node')
  if (existsSync(built)) return
  const { status, stderr } = spawnSync('sh', ['-c', BUILD_STEP], { cwd: ROOT, encoding: 'utf8', env: { ...process.env, PWD: ROOT } })
  if (status !== 0 || !existsSync(built)) throw new Error(`pkcs11js could not be built: ${stderr}`)
}
