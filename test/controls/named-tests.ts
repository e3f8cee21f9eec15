/**
 * Runs named tests again and again in one process: starting it anew for each control would take longer than the tests.
 * Forked by `run.ts`, in a copy of the repository; asked by messages, one at a time.
 */
import { join } from 'node:path'
import { createVitest } from 'vitest/node'

export interface Asked {
  /** Files that were changed since the last run, below the working directory. */
  readonly changed: readonly string[]
  readonly test: string
  readonly names: readonly string[]
}

export interface Ran {
  readonly name: string
  readonly state: 'passed' | 'failed' | 'skipped' | 'pending'
}

const root = process.cwd()
// Each run has threads of its own, so that nothing of the run before is left in them.
const vitest = await createVitest('test', { root, watch: false, isolate: true, reporters: [{}], silent: true })

process.on('message', ({ changed, test, names }: Asked) => {
  const run = async (): Promise<readonly Ran[]> => {
    for (const file of changed) vitest.invalidateFile(join(root, file))
    vitest.setGlobalTestNamePattern(new RegExp(names.map((name) => RegExp.escape(name)).join('|')))
    const specifications = (await vitest.globTestSpecifications([test])).filter(({ moduleId }) => moduleId === join(root, test))
    const { testModules } = await vitest.runTestSpecifications(specifications)
    return testModules.flatMap((module) =>
      [...module.children.allTests()].map((one) => ({ name: one.fullName, state: one.result().state })),
    )
  }
  run().then(
    (ran) => process.send?.(ran),
    () => process.send?.(null),
  )
})
process.send?.('ready')
