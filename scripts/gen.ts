/** Writes what is derived from the folders, today the list of doors in package.json; `--check` fails when it is stale. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { mayImport } from './import-table.ts'

const path = new URL('../package.json', import.meta.url)
const text = readFileSync(path, 'utf8')
const manifest = JSON.parse(text) as { imports: Record<string, string> }

manifest.imports = Object.fromEntries(
  Object.keys(mayImport)
    .filter((room) => existsSync(new URL(`../src/${room}/index.ts`, import.meta.url)))
    .sort()
    .map((room) => [`#${room}`, `./src/${room}/index.ts`]),
)

const wanted = `${JSON.stringify(manifest, null, 2)}\n`
if (process.argv.includes('--check')) {
  if (JSON.stringify(JSON.parse(text)) !== JSON.stringify(manifest)) {
    console.error('package.json is stale: run `npm run gen`')
    process.exitCode = 1
  }
} else if (wanted !== text) {
  writeFileSync(path, wanted)
}
