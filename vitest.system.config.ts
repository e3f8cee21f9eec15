import { defineConfig } from 'vitest/config'

// Slow tests and those that need published vectors, other implementations, a browser or whole processes.
// The model runtime reports to its maker unless told not to, and worker threads cannot tell it.
process.env['ORT_DISABLE_TELEMETRY'] = '1'

export default defineConfig({
  test: {
    include: ['src/**/*.system.ts', 'test/**/*.system.ts'],
    pool: 'forks',
    fileParallelism: false,
    testTimeout: 600_000,
    hookTimeout: 120_000,
  },
})
