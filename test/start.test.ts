import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, it } from 'vitest'
import { createCertificateAuthority } from '#foundation/crypto'
import { generateKeyPairSync } from 'node:crypto'

const root = fileURLToPath(new URL('..', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'redoubt-start-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** Prints the file of every module that is loaded, on a descriptor of its own. */
const TRACE = `import { registerHooks } from 'node:module'
import { writeSync } from 'node:fs'
registerHooks({ load(url, context, next) { if (url.startsWith('file:')) writeSync(3, url + '\\n'); return next(url, context) } })`

/** Everything that a short command may take the time to load. */
const LIGHT = [
  /^src\/cli\.ts$/,
  /^src\/composition\/(?:program|version)\.ts$/,
  /^src\/foundation\/core\//,
  /^src\/trust\/client\//,
  /^src\/interfaces\/commands\//,
  /^node_modules\/commander\//,
]

function loadedBy(args: readonly string[], environment: Readonly<Record<string, string>> = {}) {
  const { status, stdout, stderr, output } = spawnSync(
    process.execPath,
    ['--import', `data:text/javascript,${encodeURIComponent(TRACE)}`, join(root, 'src/cli.ts'), ...args],
    { cwd: folder, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe', 'pipe'], env: { PATH: process.env['PATH'], ...environment } },
  )
  const modules = String(output[3])
    .trim()
    .split('\n')
    .map((url) => relative(root, fileURLToPath(url)).replace(/^.*(?=node_modules\/)/, ''))
  return { status, said: stdout + stderr, modules }
}

async function authorityFile(): Promise<string> {
  const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const path = join(folder, 'ca.pem')
  writeFileSync(path, await createCertificateAuthority({ ...keys, commonName: 'Start test', now: Date.now() }))
  return path
}

describe('a short command loads nothing of the server', () => {
  it.each([
    ['--version', 0, /^\d+\.\d+\.\d+\n$/],
    ['--help', 0, /Commands:[\s\S]*data[\s\S]*policy/],
    ['filter scan --help', 0, /--min-score/],
    ['whoami', 1, /ERR_SERVER_UNREACHABLE/],
    ['data list', 1, /ERR_SERVER_UNREACHABLE/],
  ] as const)('%s', async (line, code, words) => {
    // A port that nothing listens on, with all that is needed to ask: the whole way up to the server is loaded.
    const where = { REDOUBT_URL: 'https://127.0.0.1:1', REDOUBT_CA: await authorityFile(), REDOUBT_TOKEN: 'token' }
    const { status, said, modules } = loadedBy(line.split(' '), where)
    expect([status, said]).toEqual([code, expect.stringMatching(words)])
    expect(modules).toContain('src/interfaces/commands/client.ts')
    expect(modules.filter((module) => !LIGHT.some((form) => form.test(module)))).toEqual([])
  })
})

describe('a server that cannot start', () => {
  const written = (name: string, text: string): string => {
    const path = join(folder, name)
    writeFileSync(path, text)
    return path
  }

  it.each([
    ['no file', () => join(folder, 'no-such.yaml'), /cannot be read/],
    ['a secret in clear', () => written('secret.yaml', 'passphrase: correct horse\n'), /never the secret itself/],
  ])('says in words what is wrong with its configuration: %s', (_name, path, words) => {
    const { status, said } = loadedBy(['up', '--config', path()])
    expect([status, said]).toEqual([1, expect.stringMatching(words)])
    expect(said).toMatch(/^redoubt: /)
    expect(said).toMatch(/code {2}ERR_CONFIG_INVALID\n {2}next {2}\S/)
    expect(said, 'words, not a stack').not.toMatch(/\n\s+at /)
  })
})
