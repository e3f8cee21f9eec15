import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const SHIM = fileURLToPath(new URL('../../../../bin/redoubt', import.meta.url))
const MIB = 1_048_576
/** Beyond what a file of nothing takes: buffers, and what the collector has not yet come to. */
const MORE_MIB = 48
const LARGE_MIB = 256
const folder = mkdtempSync(join(tmpdir(), 'redoubt-seal-'))
const at = (name: string): string => join(folder, name)
afterAll(() => rmSync(folder, { recursive: true, force: true }))

interface Ended {
  readonly code: number | null
  readonly err: string
  /** Highest resident size that was seen. */
  readonly peakMiB: number
}

async function redoubt(args: readonly string[], out: string, act: (child: ChildProcess) => void = () => undefined): Promise<Ended> {
  const file = openSync(out, 'w')
  const child = spawn(SHIM, [...args, '--data-dir', folder], { stdio: ['ignore', file, 'pipe'] })
  closeSync(file)
  let err = ''
  let peakMiB = 0
  child.stderr!.setEncoding('utf8').on('data', (text: string) => (err += text))
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve))
  while (child.exitCode === null && child.signalCode === null) {
    peakMiB = Math.max(peakMiB, peakOf(child.pid!))
    act(child)
    await wait(10)
  }
  return { code: await ended, err, peakMiB }
}

function peakOf(pid: number): number {
  try {
    return Number(/^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1] ?? 0) / 1024
  } catch {
    return 0
  }
}

describe('redoubt seal and open, as processes (A1)', () => {
  beforeAll(async () => {
    expect((await redoubt(['keys', 'recipient', '--out', at('key'), '--no-passphrase'], '/dev/null')).code).toBe(0)
    for (const [name, bytes] of [
      ['small', 1],
      ['large', LARGE_MIB * MIB],
    ] as const) {
      writeFileSync(at(name), '')
      truncateSync(at(name), bytes)
    }
  })

  it(`take no more memory for ${LARGE_MIB} MiB than for a byte, to within ${MORE_MIB} MiB, both ways`, async () => {
    const peaks: Record<string, number> = {}
    for (const name of ['small', 'large']) {
      const sealed = await redoubt(['seal', at(name), '--to', at('key.pub'), '--out', '-'], at(`${name}.rdbt`))
      const opened = await redoubt(['open', at(`${name}.rdbt`), '--key', at('key'), '--out', at(`${name}.out`)], '/dev/null')
      expect([name, sealed.code, opened.code], sealed.err + opened.err).toEqual([name, 0, 0])
      expect(statSync(at(`${name}.out`)).size).toBe(statSync(at(name)).size)
      peaks[`seal ${name}`] = sealed.peakMiB
      peaks[`open ${name}`] = opened.peakMiB
    }
    console.log(`peaks in MiB: ${JSON.stringify(peaks)}`)
    expect(peaks['seal large']! - peaks['seal small']!).toBeLessThan(MORE_MIB)
    expect(peaks['open large']! - peaks['open small']!).toBeLessThan(MORE_MIB)
  })

  it.each(['SIGINT', 'SIGTERM'] as const)('leave no plaintext when %s ends them half way', async (signal) => {
    rmSync(at('large.out'), { force: true })
    let told = false
    const unfinished = (): string[] => readdirSync(folder).filter((name) => name.includes('.part_'))
    const ended = await redoubt(['open', at('large.rdbt'), '--key', at('key'), '--out', at('large.out')], '/dev/null', (child) => {
      const [name] = unfinished()
      if (told || name === undefined || (statSync(at(name), { throwIfNoEntry: false })?.size ?? 0) < MIB) return
      told = true
      child.kill(signal)
    })
    expect([told, ended.code]).toEqual([true, 1])
    expect([unfinished(), readdirSync(folder).includes('large.out')]).toEqual([[], false])
  })
})
