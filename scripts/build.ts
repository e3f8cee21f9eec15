/** Builds `dist/`: what tsc emits, a manifest that makes `#floor/room` resolve inside it, and the data files that tsc leaves. */
import { spawnSync } from 'node:child_process'
import { cpSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const dist = join(root, 'dist')
const DATA_FILES = [
  '**/*.cedar',
  '**/*.cedarschema',
  '**/*.html',
  '**/*.css',
  '**/*.browser.js',
  '**/*.yaml',
  '**/*.proto',
  '**/*.weights',
  '**/*.words',
]

rmSync(dist, { recursive: true, force: true })
const tsc = spawnSync(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', 'tsconfig.build.json'], {
  cwd: root,
  stdio: 'inherit',
})
if (tsc.status !== 0) process.exit(tsc.status ?? 1)

for (const file of globSync(DATA_FILES, { cwd: join(root, 'src') })) {
  mkdirSync(dirname(join(dist, file)), { recursive: true })
  cpSync(join(root, 'src', file), join(dist, file))
}
// Without a manifest of its own, `#…` in dist would resolve through the root's and silently run the source.
const { imports, version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  imports: Record<string, string>
  version: string
}
const doors = Object.fromEntries(
  Object.entries(imports).map(([door, path]) => [door, path.replace('./src/', './').replace(/\.ts$/, '.js')]),
)
writeFileSync(join(dist, 'package.json'), `${JSON.stringify({ type: 'module', version, imports: doors }, null, 2)}\n`)
writeFileSync(join(dist, '.built'), new Date().toISOString())
