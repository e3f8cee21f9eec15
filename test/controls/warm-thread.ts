/**
 * The thread that `warm-pool.ts` keeps: packages are loaded once, modules of the repository are evaluated anew for each run.
 */
import { isMainThread, parentPort } from 'node:worker_threads'
import { init, runBaseTests, setupEnvironment } from 'vitest/worker'

if (isMainThread || !parentPort) throw new Error('warm-thread.ts is started as a thread, by warm-pool.ts')
const port = parentPort
type Listener = (message: unknown) => void
let onRequest: Listener | null = null
/** Each start brings its own; the one before waits for nothing any more. */
let onCall: Listener | null = null
port.on('message', (message: unknown) => {
  const present = onCall
  onRequest?.(message)
  present?.(message)
})
/** Files whose text differs from what the last run saw. */
let changed: readonly string[] = []
init({
  post: (message) => port.postMessage(message),
  on(listener) {
    if (onRequest === null) onRequest = listener
    else onCall = listener
  },
  off() {},
  onModuleRunner({ evaluatedModules }) {
    for (const file of changed)
      for (const module of evaluatedModules.getModulesByFile(file) ?? []) evaluatedModules.invalidateModule(module)
  },
  runTests(state, traces) {
    changed = state.ctx.invalidates ?? []
    return runBaseTests('run', state, traces)
  },
  collectTests: (state, traces) => runBaseTests('collect', state, traces),
  setup: setupEnvironment,
})
