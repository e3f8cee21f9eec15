import { expect, it } from 'vitest'
import { loadCedar } from './cedar.ts'
import { runOracle } from './oracle-run.ts'

const PAIRS = Number(process.env['REDOUBT_ORACLE_PAIRS'] ?? 120_000)

it('decides as Cedar does, in effect, reasons and errors, over generated policies that use every operator (B1, B7)', async () => {
  const cedar = await loadCedar()
  const seed = Number(process.env['REDOUBT_ORACLE_SEED'] ?? Date.now() % 2 ** 31)
  const report = runOracle(cedar, seed, PAIRS)
  console.log(
    [
      `oracle: seed ${seed}, ${report.pairs} pairs in ${(report.ms / 1000).toFixed(1)} s, ${report.mismatches.length} mismatches`,
      `allowed ${report.allowed}, with errors ${report.erred}`,
      ...[...report.operators].map(([name, count]) => `  ${name.padEnd(20)} ${count}`),
    ].join('\n'),
  )
  expect(report.mismatches).toEqual([])
  expect(report.pairs).toBeGreaterThanOrEqual(Math.min(PAIRS, 100_000))
  for (const [name, count] of report.operators) expect(count, `pairs with \`${name}\``).toBeGreaterThan(0)
  // Both answers and the error paths are common, or the comparison would say little.
  expect(report.allowed / report.pairs).toBeGreaterThan(0.1)
  expect(report.erred / report.pairs).toBeGreaterThan(0.1)
  expect(report.erred / report.pairs).toBeLessThan(0.9)
})
