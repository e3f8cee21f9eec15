import { spawnSync } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, it } from 'vitest'
import { createLogger } from './index.ts'

const folder = mkdtempSync(join(tmpdir(), 'redoubt-log-destination-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const room = fileURLToPath(new URL('index.ts', import.meta.url))
/** Runs a program that has `log`, with its standard error on `stderr`. */
function run(program: string, stderr: number | 'pipe'): { readonly status: number | null; readonly out: string; readonly err: string } {
  const script = join(folder, 'program.ts')
  writeFileSync(script, `import { createLogger } from ${JSON.stringify(room)}\nconst log = createLogger({ level: 'info' })\n${program}`)
  const {
    status,
    stdout,
    stderr: err,
  } = spawnSync(process.execPath, [script], {
    stdio: ['ignore', 'pipe', stderr],
    encoding: 'utf8',
    timeout: 15_000,
  })
  return { status, out: stdout, err: err ?? '' }
}

const LATER = `setTimeout(() => { log.error({}, 'again'); setTimeout(() => process.stdout.write('went on'), 50) }, 50)`

describe('a log that cannot be written', () => {
  it('neither ends the server nor holds it up, on a full disk', () => {
    const full = openSync('/dev/full', 'w')
    expect(run(`log.error({}, 'x'.repeat(100_000))\n${LATER}`, full)).toMatchObject({ status: 0, out: 'went on' })
    closeSync(full)
  })

  it('does not wait for room at the end of the process', () => {
    const full = openSync('/dev/full', 'w')
    expect(run(`log.error({}, 'one')\nlog.error({}, 'two')\nprocess.exit(3)`, full)).toMatchObject({ status: 3 })
    closeSync(full)
  })

  it('says how many lines are missing when it can be written again', () => {
    const path = join(folder, 'again')
    writeFileSync(path, '')
    // In a process of its own, where the number of the descriptor is given again to the next file that is opened.
    const again = `import { closeSync, openSync } from 'node:fs'
      setTimeout(() => {
        closeSync(2)
        if (openSync(${JSON.stringify(path)}, 'a') !== 2) process.exit(9)
        log.error({}, 'third')
      }, 200)`
    const full = openSync('/dev/full', 'w')
    expect(run(`log.error({}, 'first')\nlog.error({}, 'second')\n${again}`, full).status).toBe(0)
    closeSync(full)
    expect(readFileSync(path, 'utf8')).toMatch(/^\{.*"dropped":[12],.*\}\n(.*"second".*\n)?.*"third".*\n$/)
  })

  it('keeps a bounded part of what waits', async () => {
    const path = join(folder, 'bounded')
    const log = createLogger({ level: 'info', destination: openSync(path, 'w') })
    // In one turn nothing is written yet.
    for (let i = 0; i < 100; i++) log.info({ i }, 'x'.repeat(100_000))
    await expect.poll(() => readFileSync(path, 'utf8').length).toBeGreaterThan(900_000)
    await new Promise((resolve) => setTimeout(resolve, 100))
    log.info({}, 'later')
    await expect.poll(() => readFileSync(path, 'utf8')).toContain('later')
    const text = readFileSync(path, 'utf8')
    expect(text.length).toBeLessThan(1_500_000)
    expect(text).toContain('"dropped":')
  })
})

it('writes what still waits at the end of the process', () => {
  const { status, err } = run(`log.error({}, 'one')\nlog.error({}, 'two')\nprocess.exit(3)`, 'pipe')
  expect(status).toBe(3)
  expect(err).toMatch(/"one".*\n.*"two"/)
})
