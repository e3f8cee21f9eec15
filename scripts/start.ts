/** `npm start`: builds `dist/` when the source is newer, then serves. npm runs no hooks here, so this does what they would. */
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, globSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

process.env['ORT_DISABLE_TELEMETRY'] = '1'
const root = fileURLToPath(new URL('..', import.meta.url))
const built = join(root, 'dist/.built')
const builtAt = existsSync(built) ? statSync(built).mtimeMs : 0
const stale = ['src/**/*', 'package.json', 'tsconfig*.json'].some((pattern) =>
  globSync(pattern, { cwd: root }).some((file) => statSync(join(root, file)).mtimeMs > builtAt),
)
if (stale) {
  process.stderr.write('building…\n')
  const build = spawnSync(process.execPath, [join(root, 'scripts/build.ts')], { stdio: 'inherit' })
  if (build.status !== 0) process.exit(build.status ?? 1)
}
// A core dump would hold keys and personal data in clear; only a shell can set the limit for what it runs. And SIGUSR1 would open a debugger.
const server = spawn(
  '/bin/sh',
  ['-c', 'ulimit -c 0 && exec "$0" "$@"', process.execPath, '--disable-sigusr1', join(root, 'dist/cli.js'), 'up', ...process.argv.slice(2)],
  { stdio: 'inherit' },
)
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => server.kill(signal))
server.on('exit', (code, signal) => process.exit(signal ? 1 : (code ?? 1)))
