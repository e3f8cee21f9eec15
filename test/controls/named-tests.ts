/**
 * Runs named tests again and again in one process: starting it anew for each control would take longer than the tests.
 * Forked by `run.ts`, in a copy of the repository; asked by messages, one at a time.
 */
import { join } from 'node:path'
import { createVitest, type TestCase } from 'vitest/node'
import { warmPool } from './warm-pool.ts'

export interface Asked {
  /** Files that were changed since the last run, below the working directory. */
  readonly changed: readonly string[]
  readonly test: string
  readonly names: readonly string[]
  /** Of each test that sets none itself. */
  readonly timeoutMs: number
}

export interface Ran {
  readonly name: string
  readonly state: 'passed' | 'failed' | 'skipped' | 'pending'
  readonly ms: number
}

/** What the process says: each test that failed as soon as it did, and at the end all of them, or null when there is no report. */
export type Told = { readonly failed: Ran } | { readonly ran: readonly Ran[] | null }

const root = process.cwd()
const tell = (told: Told): unknown => process.send?.(told)
const ranOf = (one: TestCase): Ran => ({ name: one.fullName, state: one.result().state, ms: one.diagnostic()?.duration ?? 0 })
const reporter = {
  onTestCaseResult(one: TestCase) {
    if (one.result().state === 'failed') tell({ failed: ranOf(one) })
  },
}
// The pool of a project is taken from its configuration alone, not from what is asked beside it.
const vitest = await createVitest(
  'test',
  { root, watch: false, reporters: [reporter], silent: true },
  { test: { pool: warmPool, isolate: true, maxWorkers: 1 } },
)

process.on('message', ({ changed, test, names, timeoutMs }: Asked) => {
  const run = async (): Promise<readonly Ran[]> => {
    for (const file of changed) {
      vitest.invalidateFile(join(root, file))
      vitest.watcher.invalidates.add(join(root, file))
    }
    for (const project of vitest.projects) project.config.testTimeout = timeoutMs
    vitest.setGlobalTestNamePattern(new RegExp(names.map((name) => RegExp.escape(name)).join('|')))
    const specifications = (await vitest.globTestSpecifications([test])).filter(({ moduleId }) => moduleId === join(root, test))
    const { testModules } = await vitest.runTestSpecifications(specifications)
    // Those of the runs before are told of as well; a test of the same name in another file says nothing here.
    const own = testModules.filter(({ moduleId }) => moduleId === join(root, test))
    return own.flatMap((module) => [...module.children.allTests()].map(ranOf))
  }
  run().then(
    (ran) => tell({ ran }),
    () => tell({ ran: null }),
  )
})
tell({ ran: [] })
