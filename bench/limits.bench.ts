import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type LimitRule, systemClock } from '#foundation/core'
import { openDatabase } from '#foundation/storage'
import { openLimits } from '#gateway/limits'
import type { Row } from './row.ts'

const TAKES = 400_000
const PRINCIPALS = 100
const SINGLE = 1_000

export const benchmark = {
  name: 'limits',
  async run(): Promise<readonly Row[]> {
    const folder = mkdtempSync(join(tmpdir(), 'redoubt-bench-'))
    const database = openDatabase(join(folder, 'limits.db'))
    try {
      const limits = openLimits({ database, clock: systemClock })
      const rules: readonly LimitRule[] = [
        { unit: 'requests', amount: 10_000_000, windowMs: 60_000 },
        { unit: 'requests', amount: 100_000_000, windowMs: 3_600_000 },
        { unit: 'tokens', amount: 1_000_000_000, windowMs: 3_600_000 },
      ]
      const principals = Array.from({ length: PRINCIPALS }, (_, i) => `account-${i}`)
      const once = (i: number): void => {
        const result = limits.take({ principal: principals[i % PRINCIPALS]!, endpoint: 'assistant', rules, requests: 1, tokens: 500 })
        if (!result.allowed) throw new Error('the benchmark ran into its own limit')
        result.settle({ tokens: 300 })
      }
      for (let i = 0; i < 20_000; i++) once(i)
      const times = new Float64Array(TAKES)
      const started = performance.now()
      for (let i = 0; i < TAKES; i++) {
        const before = performance.now()
        once(i)
        times[i] = performance.now() - before
      }
      const seconds = (performance.now() - started) / 1000
      times.sort()
      const at = (share: number): number => times[Math.floor(TAKES * share)]! * 1000
      const note = `3 rules, ${PRINCIPALS} principals, take and settle, clock reads included; ${limits.usage.durableWrites} durable writes`

      const daily: readonly LimitRule[] = [{ unit: 'requests', amount: 20, windowMs: 86_400_000 }]
      const begun = performance.now()
      for (let i = 0; i < 20; i++) limits.take({ principal: 'analyst', endpoint: 'report', rules: daily, requests: 1 })
      const durableMs = (performance.now() - begun) / 20

      const busy: readonly LimitRule[] = [{ unit: 'requests', amount: SINGLE, windowMs: 3_600_000 }]
      const writesBefore = limits.usage.durableWrites
      for (let i = 0; i < SINGLE; i++) limits.take({ principal: 'busy', endpoint: 'assistant', rules: busy, requests: 1 })
      const writes = limits.usage.durableWrites - writesBefore

      const chat: readonly LimitRule[] = [{ unit: 'tokens', amount: 200_000, windowMs: 3_600_000 }]
      const writesBeforeChat = limits.usage.durableWrites
      for (let i = 0; i < 100; i++) {
        const result = limits.take({ principal: 'chat', endpoint: 'assistant', rules: chat, requests: 1, tokens: 4096 })
        if (result.allowed) result.settle({ tokens: 300 })
      }
      const chatWrites = limits.usage.durableWrites - writesBeforeChat
      await limits.close()
      return [
        { what: 'limits: take and settle', value: TAKES / seconds, unit: 'ops/s', target: 300_000, comparator: '>=', note },
        { what: 'limits: take and settle, p50', value: at(0.5), unit: 'µs', target: 2, comparator: '<=', note },
        { what: 'limits: take and settle, p99', value: at(0.99), unit: 'µs', target: 10, comparator: '<=', note },
        {
          what: 'limits: a quota of 20 a day, each take durable',
          value: durableMs,
          unit: 'ms',
          target: null,
          comparator: '<=',
          note: 'one fsync each: the disk',
        },
        { what: `limits: durable writes for ${SINGLE} of ${SINGLE} an hour`, value: writes, unit: 'writes', target: 51, comparator: '<=' },
        {
          what: 'limits: durable writes for 100 chats, 4,096 tokens reserved and 300 used of 200,000 an hour',
          value: chatWrites,
          unit: 'writes',
          target: 10,
          comparator: '<=',
        },
      ]
    } finally {
      await database.close()
      rmSync(folder, { recursive: true, force: true })
    }
  },
}
