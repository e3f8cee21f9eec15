import { existsSync, realpathSync, statfsSync } from 'node:fs'
import { defineConfig } from 'vitest/config'

// The model runtime reports to its maker unless told not to, and worker threads cannot tell it.
process.env['ORT_DISABLE_TELEMETRY'] = '1'

// What tests write is thrown away, and a disk is waited for at each sync: a third of the time of a server. What a disk does when it is full,
// fails or loses power is shown on folders that do just that.
const MEMORY = '/dev/shm'
const ENOUGH_BYTES = 2 ** 31
if (process.env['TMPDIR'] === undefined && existsSync(MEMORY)) {
  const { bavail, bsize } = statfsSync(MEMORY)
  if (bavail * bsize >= ENOUGH_BYTES) process.env['TMPDIR'] = realpathSync(MEMORY)
}

export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts'],
    setupFiles: ['test/seed.setup.ts'],
    isolate: false,
    // Not threads: threads of the tests that strip types in WebAssembly, of two files at a time, in one process, now and then abort in V8 when they end
    // (`jit_page_->allocations_`, nodejs/node#64500).
    pool: 'forks',
    // As many as the machine has cores, for what little waits: the default leaves one core of two idle.
    maxWorkers: 2,
    testTimeout: 20_000,
    hookTimeout: 30_000,
  },
})
