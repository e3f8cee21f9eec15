import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { Asked, Ran, Told } from './named-tests.ts'

const TIMEOUT_MS = 120_000
/** After the first failed test the rest of its run is of no more interest; one that ends soon spares the start of a process. */
const AFTERWARDS_MS = 2_000

/**
 * The results of tests whose full name contains a name.
 * @param name with or without ` > ` between its parts.
 */
export const testsNamed = (ran: readonly Ran[] | null, name: string): readonly Ran[] =>
  (ran ?? []).filter((one) => one.name.replaceAll(' > ', ' ').includes(name.replaceAll(' > ', ' ')))

/** Runs tests in a process that stays, in a copy of the repository; one that does not end in time is killed with its process. */
export class Runner {
  readonly #copy: string
  #child: ChildProcess | null = null
  #runs = 0
  /** Files that differ from what the last run saw: one that was put back, and the next. */
  readonly changed = new Set<string>()
  /** Processes begun. */
  starts = 0

  /** @param copy of the repository, with its packages in a folder above. */
  constructor(copy: string) {
    this.#copy = copy
  }

  /** Runs in the present process; 0 when the next one begins a process. */
  get runs(): number {
    return this.#child ? this.#runs : 0
  }

  /**
   * Runs the tests of a file whose names are among `names`.
   * @param until the run is over with the first failed test that is named so.
   * @returns null when there is no report.
   */
  async run(test: string, names: readonly string[], timeoutMs: number, until?: string): Promise<readonly Ran[] | null> {
    this.#child ??= await this.#start()
    this.#runs++
    const child = this.#child
    const asked: Asked = { changed: [...this.changed], test, names, timeoutMs }
    this.changed.clear()
    // What a disabled bound lets run for ever does not listen to a polite signal.
    const kill = (): boolean => child.kill('SIGKILL')
    let timer = setTimeout(kill, TIMEOUT_MS)
    const failed: Ran[] = []
    const ran = await new Promise<readonly Ran[] | null>((resolve) => {
      child.on('message', (told: Told) => {
        if ('ran' in told) resolve(told.ran)
        else if (until !== undefined && testsNamed([told.failed], until).length > 0 && failed.push(told.failed) === 1) {
          clearTimeout(timer)
          timer = setTimeout(kill, AFTERWARDS_MS)
        }
      })
      child.once('exit', () => resolve(failed.length > 0 ? failed : null))
      child.send(asked)
    })
    clearTimeout(timer)
    child.removeAllListeners()
    if (child.exitCode !== null || child.signalCode !== null) this.#child = null
    return ran
  }

  async #start(): Promise<ChildProcess> {
    this.#runs = 0
    this.starts++
    const child = fork(join(this.#copy, 'test/controls/named-tests.ts'), { cwd: this.#copy, stdio: ['ignore', 'ignore', 'ignore', 'ipc'] })
    await once(child, 'message')
    return child
  }

  /** Ends the process, so that the next run finds nothing of those before it. */
  end(): void {
    this.#child?.kill('SIGKILL')
    this.#child = null
  }
}
