import { execFileSync, spawnSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  cpSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, it } from 'vitest'
import { mayImport } from '../scripts/import-table.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const floors = ['foundation', 'trust', 'assets', 'gateway', 'governance', 'interfaces']
const rooms = floors.flatMap((floor) =>
  readdirSync(join(root, 'src', floor))
    .filter((name) => statSync(join(root, 'src', floor, name)).isDirectory())
    .map((name) => `${floor}/${name}`),
)

describe('the house', () => {
  it('has every room in the import table, and no row without a room', () => {
    expect(Object.keys(mayImport).sort()).toEqual([...rooms].sort())
  })

  it.each(rooms)('gives %s one door and a README', (room) => {
    expect(existsSync(join(root, 'src', room, 'index.ts'))).toBe(true)
    expect(readFileSync(join(root, 'src', room, 'README.md'), 'utf8').length).toBeGreaterThan(200)
    const nested = readdirSync(join(root, 'src', room), { recursive: true, encoding: 'utf8' }).filter((file) => /.\/index\.ts$/.test(file))
    expect(nested).toEqual([])
  })

  it('lets floors import downward only', () => {
    for (const [from, to] of Object.entries(mayImport))
      for (const target of to)
        expect(floors.indexOf(target.split('/')[0]!), `${from} → ${target}`).toBeLessThanOrEqual(floors.indexOf(from.split('/')[0]!))
  })

  it('lists every door by name in package.json, as `npm run gen` writes it', () => {
    const { imports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { imports: Record<string, string> }
    expect(Object.keys(imports)).toEqual(rooms.map((room) => `#${room}`).sort())
  })

  // The second holds what is only measured beside the project.
  describe.each(['.', 'bench/peers'])('the packages of %s', (folder) => {
    it('runs no install script of a dependency', () => {
      expect(readFileSync(join(root, folder, '.npmrc'), 'utf8')).toContain('ignore-scripts=true')
    })

    it('pins every dependency exactly', () => {
      const manifest = JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8')) as Record<string, Record<string, string>>
      const kinds = ['dependencies', 'devDependencies', 'optionalDependencies', 'overrides']
      const pins = kinds.flatMap((kind) => Object.entries(manifest[kind] ?? {}))
      expect(pins.length).toBeGreaterThan(0)
      for (const [name, version] of pins) expect(version, name).toMatch(/^\d+\.\d+\.\d+$/)
    })
  })

  it('keeps what it is only measured beside out of its own packages', () => {
    const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as { packages: object }
    expect(Object.keys(packages).filter((path) => path.includes('@portkey-ai') || path.includes('@aws-crypto'))).toEqual([])
  })
})

describe('the lint boundaries', () => {
  const copy = mkdtempSync(join(tmpdir(), 'redoubt-lint-'))
  for (const file of ['oxlint.config.ts', 'scripts', 'tsconfig.json', 'package.json'])
    cpSync(join(root, file), join(copy, file), { recursive: true })
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'))
  afterAll(() => rmSync(copy, { recursive: true, force: true }))

  const complaints = (file: string, text: string): string => {
    const path = join(copy, file)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, text)
    const run = spawnSync(join(root, 'node_modules/.bin/oxlint'), [file], { cwd: copy, encoding: 'utf8' })
    rmSync(path)
    return run.status === 0 ? '' : run.stdout + run.stderr
  }

  it.each([
    ['upward', 'src/trust/audit/seed.ts', "import { x } from '#gateway/pipeline'\nexport const y = x\n"],
    ['an unlisted pair on one floor', 'src/trust/audit/seed.ts', "import { x } from '#trust/policy'\nexport const y = x\n"],
    ['upward from governance', 'src/governance/alerts/seed.ts', "import { x } from '#interfaces/api'\nexport const y = x\n"],
    ['governance from below', 'src/gateway/pipeline/seed.ts', "import { x } from '#governance/alerts'\nexport const y = x\n"],
    ['past the door by name', 'src/trust/keys/seed.ts', "import { x } from '#trust/audit/log.ts'\nexport const y = x\n"],
    ['past the door by path', 'src/trust/keys/seed.ts', "import { x } from '../audit/log.ts'\nexport const y = x\n"],
    ['a type only', 'src/foundation/core/seed.ts', "import type { x } from '#trust/keys'\nexport type Y = x\n"],
    ['a re-export', 'src/foundation/core/seed.ts', "export { x } from '#trust/keys'\n"],
    ['a composition root', 'src/gateway/routes/seed.ts', "import { x } from '../../composition/compose.ts'\nexport const y = x\n"],
  ])('refuse to import %s', (_, file, text) => {
    expect(complaints(file, text)).toContain('no-restricted-imports')
  })

  it('let a listed door through', () => {
    expect(complaints('src/trust/keys/seed.ts', "import { x } from '#trust/audit'\nexport const y = x\n")).not.toContain(
      'no-restricted-imports',
    )
  })

  it('see a promise that nobody waits for', () => {
    expect(
      complaints('src/trust/keys/seed.ts', 'const f = async (): Promise<number> => 1\nexport const g = (): void => {\n  f()\n}\n'),
    ).toContain('no-floating-promises')
  })
})

describe('what is tracked', () => {
  it('names no path of a machine and no registry address', () => {
    const files = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], { cwd: root, encoding: 'utf8' })
      .split('\0')
      .filter((file) => file !== '' && file !== 'package-lock.json' && existsSync(join(root, file)))
    const bad = files.filter((file) =>
      /(?:^|[^a-zA-Z])\/(?:w[o]rk|f[a]rm)\/|https?:\/\/r[e]gistry\./m.test(readFileSync(join(root, file), 'utf8')),
    )
    expect(bad).toEqual([])
  })
})
