import { defineConfig } from 'vitest/config'

// Slow tests and those that need published vectors, other implementations, a browser or whole processes.
export default defineConfig({
  test: {
    include: ['src/**/*.system.ts', 'test/**/*.system.ts'],
    pool: 'forks',
    fileParallelism: false,
    testTimeout: 600_000,
    hookTimeout: 120_000,
  },
})
