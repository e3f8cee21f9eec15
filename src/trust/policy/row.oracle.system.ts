import { expect, it } from 'vitest'
import { loadCedar } from './cedar.ts'
import { runRowOracle } from './row-oracle.ts'

const PAIRS = Number(process.env['REDOUBT_ROW_ORACLE_PAIRS'] ?? 12_000)

it('admits a row exactly where Cedar, given the row, allows and no policy fails (B2, B7)', async () => {
  const seed = Number(process.env['REDOUBT_ORACLE_SEED'] ?? Date.now() % 2 ** 31)
  const started = performance.now()
  const { pairs, outcomes, byRow, mismatches } = runRowOracle(await loadCedar(), seed, PAIRS)
  const seconds = ((performance.now() - started) / 1000).toFixed(1)
  console.log(
    `row oracle: seed ${seed}, ${pairs} pairs in ${seconds} s, ${mismatches.length} mismatches; ${JSON.stringify({ ...outcomes, byRow })}`,
  )
  expect(mismatches).toEqual([])
  expect(pairs).toBeGreaterThanOrEqual(Math.min(PAIRS, 10_000))
  expect(byRow / pairs).toBeGreaterThan(0.2)
})
