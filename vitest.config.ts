import { defineConfig } from 'vitest/config'

// The model runtime reports to its maker unless told not to, and worker threads cannot tell it.
process.env['ORT_DISABLE_TELEMETRY'] = '1'

export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts'],
    isolate: false,
    pool: 'threads',
    // As many as the machine has cores, for what little waits: the default leaves one core of two idle.
    maxWorkers: 2,
    testTimeout: 20_000,
    hookTimeout: 30_000,
  },
})
