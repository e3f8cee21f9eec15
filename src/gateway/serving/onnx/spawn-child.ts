import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { TELEMETRY_OPT_OUT } from './no-telemetry.ts'

/** JavaScript objects alone; the weights lie outside this heap and are watched by the resident size. */
const CHILD_HEAP_MIB = 128
const SHELL = '/bin/sh'

/**
 * Starts the process of a stranger's model. It gets: no environment but the runtime's opt-out of telemetry, no descriptor but its channel (3), no working folder of ours,
 * reading rights for its own source and the runtime alone, none to write, to start processes or workers, to attach a debugger;
 * no code from strings; no core dump; and it is the first to be ended when the host runs out of memory.
 * Node's permission model does not bind native code; the system's user and limits remain what stops a hole in the runtime.
 */
export function spawnChild(): ChildProcess {
  // The same code runs from `src/*.ts` and from `dist/*.js`.
  const here = fileURLToPath(import.meta.url)
  const folder = dirname(here)
  const entry = join(folder, `foreign-model.child${extname(here)}`)
  const { runtime, common } = runtimeFolders()
  const readable = [`${folder}/*`, join(folder, '../../../../package.json'), `${runtime}/*`, `${common}/*`]
  const flags = [
    '--permission',
    '--allow-addons',
    ...readable.map((path) => `--allow-fs-read=${path}`),
    '--disallow-code-generation-from-strings',
    `--max-old-space-size=${CHILD_HEAP_MIB}`,
    '--no-warnings',
    entry,
  ]
  const options = { env: { [TELEMETRY_OPT_OUT]: '1' }, cwd: '/', stdio: ['ignore', 'ignore', 'ignore', 'pipe'] } as const
  // A core dump would hold rows in clear. Node cannot set the limit, a shell can, and then becomes the process itself.
  const child = existsSync(SHELL)
    ? spawn(SHELL, ['-c', 'ulimit -c 0; exec "$@"', 'sh', process.execPath, ...flags], { ...options, stdio: [...options.stdio] })
    : spawn(process.execPath, flags, { ...options, stdio: [...options.stdio] })
  preferredVictim(child.pid)
  return child
}

function runtimeFolders(): { readonly runtime: string; readonly common: string } {
  const require = createRequire(import.meta.url)
  const packageOf = (path: string, name: string): string => path.slice(0, path.lastIndexOf(name) + name.length)
  const runtimeEntry = require.resolve('onnxruntime-node')
  const commonEntry = createRequire(runtimeEntry).resolve('onnxruntime-common')
  return { runtime: packageOf(runtimeEntry, 'onnxruntime-node'), common: packageOf(commonEntry, 'onnxruntime-common') }
}

/** Linux only; elsewhere the resident size is not watched either and the process limits of the system must do. */
function preferredVictim(pid: number | undefined): void {
  if (pid === undefined) return
  try {
    writeFileSync(`/proc/${pid}/oom_score_adj`, '1000')
  } catch {
    return
  }
}
