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

export default defineConfig({
  test: {
    include: ['src/**/*.system.ts', 'test/**/*.system.ts'],
    reporters: ['default', slowest],
    pool: 'forks',
    fileParallelism: false,
    testTimeout: 600_000,
    hookTimeout: 120_000,
  },
})
