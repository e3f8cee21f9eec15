import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'

const program = `
  import { readdirSync, readlinkSync } from 'node:fs'
  const { openSession } = await import(process.argv[1])
  const model = Buffer.from(process.argv[2], 'base64')
  const session = await openSession(model)
  await session.run([{ name: 'x', datatype: 'FP32', shape: [1, 4], data: new Float32Array(4) }])
  const open = readdirSync('/proc/self/fd').flatMap((fd) => { try { return [readlinkSync('/proc/self/fd/' + fd)] } catch { return [] } })
  process.stdout.write(JSON.stringify(open.filter((target) => /onnxruntime\\.db|mat-debug/.test(target))))
  process.exit(0)
`

it('loads the runtime without its telemetry: no database, no device identifier, no debug file (A2)', async () => {
  const { mlp } = await import('../../../../test/fixtures/onnx-models.ts')
  const home = mkdtempSync(join(tmpdir(), 'home-'))
  try {
    const session = fileURLToPath(new URL('./runtime-session.ts', import.meta.url))
    // Without `CI` and the like, which the runtime also takes as a wish for silence.
    const out = execFileSync(process.execPath, ['--input-type=module', '-e', program, session, Buffer.from(mlp()).toString('base64')], {
      env: { HOME: home, TMPDIR: home },
      encoding: 'utf8',
    })
    // Files of this process, which the new one may inherit, are not its own.
    expect((JSON.parse(out) as string[]).filter((target) => target.startsWith(home))).toEqual([])
    expect(readdirSync(home)).toEqual([])
  } finally {
    rmSync(home, { recursive: true })
  }
})
