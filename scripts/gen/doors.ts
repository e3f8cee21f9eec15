import { existsSync, readFileSync } from 'node:fs'
import { mayImport } from '../import-table.ts'
import type { GeneratedFile } from './generated-file.ts'

/** The list of doors in package.json: one for each room that has an `index.ts`. */
export function doors(): GeneratedFile {
  const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { imports: Record<string, string> }
  manifest.imports = Object.fromEntries(
    Object.keys(mayImport)
      .filter((room) => existsSync(new URL(`../../src/${room}/index.ts`, import.meta.url)))
      .sort()
      .map((room) => [`#${room}`, `./src/${room}/index.ts`]),
  )
  return { path: 'package.json', text: `${JSON.stringify(manifest, null, 2)}\n` }
}
