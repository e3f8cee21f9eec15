import { mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { createLogger } from './index.ts'

const folder = mkdtempSync(join(tmpdir(), 'redoubt-logs-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('logger', () => {
  it('cuts fields that could carry a secret, at every depth it is used at', async () => {
    const path = join(mkdtempSync(join(folder, 'log-')), 'log')
    const log = createLogger({ level: 'info', destination: openSync(path, 'w') })
    log.info(
      { authorization: 'Bearer planted', request: { prompt: 'planted', headers: { cookie: 'planted' } }, err: new Error('kept') },
      'hello',
    )
    await expect.poll(() => readFileSync(path, 'utf8')).toContain('hello')
    expect(readFileSync(path, 'utf8')).not.toContain('planted')
  })

  it('keeps where an error came from and no line of its message', async () => {
    const path = join(mkdtempSync(join(folder, 'log-')), 'log')
    const log = createLogger({ level: 'info', destination: openSync(path, 'w') })
    log.error({ err: new Error('first line\nplanted in the second\n    planted in the third') }, 'hello')
    await expect.poll(() => readFileSync(path, 'utf8')).toContain('hello')
    const { err } = JSON.parse(readFileSync(path, 'utf8')) as { err: { stack: string[] } }
    expect(err.stack.length).toBeGreaterThan(0)
    expect(err.stack.join('\n')).toMatch(/telemetry\.test/)
    expect(JSON.stringify(err)).not.toContain('planted')
  })
})
