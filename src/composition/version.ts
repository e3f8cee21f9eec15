import { readFileSync } from 'node:fs'

/** From the manifest beside the code: the root's in a checkout, `dist/`'s own when built. */
const manifest = [new URL('../package.json', import.meta.url), new URL('../../package.json', import.meta.url)]

export const VERSION: string = (() => {
  for (const url of manifest) {
    try {
      return (JSON.parse(readFileSync(url, 'utf8')) as { version: string }).version
    } catch {
      continue
    }
  }
  return '0.0.0'
})()
