import { defineConfig } from 'vitest/config'
import type { Reporter, TestModule } from 'vitest/node'

// Slow tests and those that need published vectors, other implementations, a browser or whole processes.
// The model runtime reports to its maker unless told not to, and worker threads cannot tell it.
process.env['ORT_DISABLE_TELEMETRY'] = '1'

/** Where the time goes: the slowest files, at the end. */
const SLOWEST = 8
const slowest: Reporter = {
  onTestRunEnd(modules) {
    const seconds = (module: TestModule): number => module.diagnostic().duration / 1000
    console.log('\nslowest files')
    for (const module of [...modules].sort((a, b) => seconds(b) - seconds(a)).slice(0, SLOWEST))
      console.log(`${seconds(module).toFixed(1).padStart(7)} s  ${module.relativeModuleId}`)
  },
}

/**
 * What computes and neither measures time nor starts a server: two files at a time, first, for each of the others waits more than it works.
 */
const COMPUTES = [
  'src/foundation/crypto/*.system.ts',
  'src/gateway/limits/*.system.ts',
  'src/assets/registry/**/*.system.ts',
  'src/trust/audit/audit.{mutation,power-cut,sumdb}.system.ts',
  'src/trust/audit/merkle-vectors.system.ts',
  'src/trust/keys/*.system.ts',
  'src/trust/policy/*.system.ts',
]
/** README and guides, in a clean clone. */
const GUIDES = ['test/docs/*.system.ts']

export default defineConfig({
  test: {
    reporters: ['default', slowest],
    setupFiles: ['test/seed.setup.ts'],
    pool: 'forks',
    testTimeout: 600_000,
    hookTimeout: 120_000,
    projects: [
      { extends: true, test: { name: 'computes', include: COMPUTES, maxWorkers: 2, sequence: { groupOrder: 0 } } },
      {
        extends: true,
        test: {
          name: 'alone',
          include: ['src/**/*.system.ts', 'test/**/*.system.ts'],
          exclude: [...COMPUTES, ...GUIDES],
          maxWorkers: 1,
          sequence: { groupOrder: 1 },
        },
      },
      { extends: true, test: { name: 'guides', include: GUIDES, maxWorkers: 1, sequence: { groupOrder: 2 } } },
    ],
  },
})
