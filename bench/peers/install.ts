import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { isDeepStrictEqual } from 'node:util'

const folder = fileURLToPath(new URL('.', import.meta.url))

interface Lock {
  readonly packages: Readonly<Record<string, unknown>>
}

/** Installs what the lock file of this folder names, unless it is there already. No install script runs. @throws when npm fails */
export function installPeers(): void {
  if (isInstalled()) return
  const started = performance.now()
  process.stderr.write('installing the peers by `npm ci --ignore-scripts --prefix bench/peers` …\n')
  const npm = spawnSync('npm', ['ci', '--ignore-scripts', '--prefix', folder], { cwd: folder, encoding: 'utf8' })
  if (npm.status !== 0) throw new Error(`the peers cannot be installed: ${npm.error?.message ?? npm.stderr.trim()}`)
  if (!isInstalled()) throw new Error('the peers that npm installed are not those of the lock file')
  process.stderr.write(`installed in ${Math.round((performance.now() - started) / 1000)} s\n`)
}

/** npm leaves the lock file of what it installed in `node_modules`, without the entry of the project itself. */
function isInstalled(): boolean {
  const installed = `${folder}node_modules/.package-lock.json`
  if (!existsSync(installed)) return false
  const { '': _project, ...wanted } = read(`${folder}package-lock.json`).packages
  return isDeepStrictEqual(read(installed).packages, wanted)
}

function read(file: string): Lock {
  return JSON.parse(readFileSync(file, 'utf8')) as Lock
}
