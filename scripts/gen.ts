/** Writes what is derived from the source: the doors in package.json and the reference pages. `--check` fails when one is stale. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { doors } from './gen/doors.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const check = process.argv.includes('--check')
const stale: string[] = []

const settle = (path: string, text: string): void => {
  const full = join(root, path)
  if (existsSync(full) && readFileSync(full, 'utf8') === text) return
  stale.push(path)
  if (check) return
  mkdirSync(dirname(full), { recursive: true })
  writeFileSync(full, text)
}

// First, because the pages are made from rooms that Node can only find by the doors.
const manifest = doors()
settle(manifest.path, manifest.text)

const pages = await Promise.all([
  import('./gen/configuration-page.ts').then((module) => module.configurationPage()),
  import('./gen/error-page.ts').then((module) => module.errorPage()),
  import('./gen/command-page.ts').then((module) => module.commandPage()),
  import('./gen/http-page.ts').then((module) => module.httpPage()),
])
for (const { path, text } of pages) settle(path, text)

for (const path of stale) console.log(`${check ? 'stale' : 'written'}: ${path}`)
if (check && stale.length > 0) {
  console.error('run `npm run gen`')
  process.exitCode = 1
}
