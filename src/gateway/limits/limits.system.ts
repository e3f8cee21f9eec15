import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, it } from 'vitest'

const CHILD = fileURLToPath(new URL('take-until-killed.child.fixtures.ts', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'redoubt-limits-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

interface Life {
  readonly passed: number
  readonly refused: number
}

/** One life: killed with SIGKILL after `bytes` bytes of output, or when it has been refused often. */
function live(database: string, amount: number, bytes: number): Promise<Life> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [CHILD, database, String(amount), '3600000'], { stdio: ['ignore', 'pipe', 'inherit'] })
    let output = ''
    child.stdout.setEncoding('latin1')
    child.stdout.on('data', (chunk: string) => {
      output += chunk
      if (output.length >= bytes || output.split('!').length > 5) child.kill('SIGKILL')
    })
    child.once('error', reject)
    // `close`, not `exit`: what was written before the kill is still to be read.
    child.once('close', () => resolve({ passed: output.split('.').length - 1, refused: output.split('!').length - 1 }))
  })
}

async function lives(
  name: string,
  amount: number,
  kills: number,
  bytes: (life: number) => number,
): Promise<{ total: number; refused: number }> {
  const database = join(folder, `${name}.db`)
  let total = 0
  let refused = 0
  for (let life = 0; life < kills; life++) {
    const result = await live(database, amount, bytes(life))
    total += result.passed
    refused += result.refused
  }
  return { total, refused }
}

describe('limits under kill -9 (C4)', () => {
  it('passes exactly a small quota over 15 kills', async () => {
    const { total, refused } = await lives('small', 20, 15, () => 4)
    expect(refused).toBeGreaterThan(0)
    // A pass that was recorded but killed before it was told is lost to the caller, never gained.
    expect(total).toBeLessThanOrEqual(20)
    expect(total).toBeGreaterThanOrEqual(20 - 15)
  })

  it('never passes more than a large quota over 20 kills, and loses at most a block to each', async () => {
    const amount = 5000
    const { total, refused } = await lives('large', amount, 20, (life) => (life === 19 ? 1e9 : 100 + life * 17))
    expect(refused).toBeGreaterThan(0)
    expect(total).toBeLessThanOrEqual(amount)
    expect(total).toBeGreaterThanOrEqual(amount - 20 * (amount / 50 + 1))
  })
})
