/** Takes as fast as it can and tells of each pass by one byte, until it is killed; for `limits.system.ts`. Arguments: database, amount, window in ms. */
import { writeSync } from 'node:fs'
import { systemClock } from '#foundation/core'
import { openDatabase } from '#foundation/storage'
import { openLimits } from './limits.ts'

const [path, amount, windowMs] = process.argv.slice(2)
if (path === undefined) throw new Error('no database')
const limits = openLimits({ database: openDatabase(path), clock: systemClock })
const rules = [{ unit: 'requests', amount: Number(amount), windowMs: Number(windowMs) }] as const
writeSync(1, '>')
for (;;) {
  if (limits.take({ principal: 'app', endpoint: 'chat', rules, requests: 1 }).allowed) writeSync(1, '.')
  else {
    writeSync(1, '!')
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
