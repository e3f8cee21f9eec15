import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Runner, testsNamed } from './runner.ts'

/** One entry of the files beside this one: what disables a control, and the test that must notice. */
export interface Control {
  readonly control: string
  readonly file: string
  /** Stands once in the file. */
  readonly find: string
  readonly replace: string
  /** The file of the test, below the root. */
  readonly test: string
  readonly name: string
}

/** What a proof asks of the process that it runs tests in. */
export type Runs = Pick<Runner, 'run' | 'runs' | 'end' | 'changed'>

/** Of a test while nothing is disabled, as vitest.config.ts has it. */
const TEST_TIMEOUT_MS = 20_000
/** What a disabled control leaves waiting for ever is waited for this long, and for a few times what the test takes otherwise. */
const PATIENCE_MS = 5_000

/**
 * Disables the controls that one file of tests names, one after the other.
 *
 * They share a process while it lives, so what one of them leaves behind might turn the next one red. Therefore their tests are run
 * once more at the end, with nothing disabled: if one of them is red, each control is tried again in a process of its own.
 */
export class Proof {
  readonly #copy: string
  readonly #runner: Runs
  readonly #test: string
  readonly #controls: readonly Control[]
  readonly #patience = new Map<string, number>()
  readonly #problems = new Map<Control, string | null>()
  /** Turned red in the process that lives, beside others that may have been the reason. */
  #together: Control[] = []
  /** To be tried in a process of its own. */
  readonly #alone: Control[] = []

  /**
   * @param copy of the repository, which is written to and put back.
   * @param controls at least one; all of one file of tests.
   */
  constructor(copy: string, runner: Runs, controls: readonly [Control, ...Control[]]) {
    this.#copy = copy
    this.#runner = runner
    this.#test = controls[0].test
    this.#controls = controls
  }

  /** @returns for each control null when the named test turned red, else what is wrong. */
  async run(): Promise<ReadonlyMap<Control, string | null>> {
    const open = await this.#green()
    for (let control = open.shift(); control; control = open.shift()) {
      const { problem, waited } = await this.#disabled(control)
      const lives = this.#runner.runs > 0
      if (problem === null && lives) this.#together.push(control)
      // The first one has nothing before it but green tests.
      else if (problem === null && this.#together.length === 0) this.#problems.set(control, null)
      else this.#alone.push(control)
      // Nobody can ask any more what they have left behind.
      if (!lives) open.unshift(...this.#together.splice(0))
      if (waited) {
        // What it waits for may still come.
        await this.#settle()
        this.#runner.end()
      }
    }
    await this.#settle()
    for (const control of this.#alone) {
      this.#runner.end()
      this.#problems.set(control, (await this.#disabled(control)).problem)
    }
    if (this.#alone.length > 0) this.#runner.end()
    return this.#problems
  }

  /** How many were tried in a process of their own. */
  get alone(): number {
    return this.#alone.length
  }

  /** @returns the controls whose tests are green while nothing is disabled. */
  async #green(): Promise<Control[]> {
    const all = await this.#runner.run(this.#test, namesOf(this.#controls), TEST_TIMEOUT_MS)
    const green: Control[] = []
    for (const control of this.#controls) {
      let before = testsNamed(all, control.name)
      if (before.length === 0 || before.some(({ state }) => state !== 'passed')) {
        // Asked once more, alone and in a process of its own: a busy machine lets tests run out of time.
        this.#runner.end()
        before = testsNamed(await this.#runner.run(this.#test, [control.name], TEST_TIMEOUT_MS), control.name)
      }
      if (before.length === 0) this.#problems.set(control, `no test is named \`${control.name}\``)
      else if (before.some(({ state }) => state !== 'passed')) this.#problems.set(control, 'the test is not green to begin with')
      else green.push(control)
      this.#patience.set(control.name, PATIENCE_MS + 4 * Math.max(0, ...before.map(({ ms }) => ms)))
    }
    return green
  }

  async #disabled({ file, find, replace, name }: Control): Promise<{ readonly problem: string | null; readonly waited: boolean }> {
    const path = join(this.#copy, file)
    const source = readFileSync(path, 'utf8')
    const times = source.split(find).length - 1
    if (times !== 1) return { problem: `the text to replace stands ${times} times in the file`, waited: false }
    writeFileSync(
      path,
      source.replace(find, () => replace),
    )
    this.#runner.changed.add(file)
    try {
      const patienceMs = this.#patience.get(name) ?? PATIENCE_MS
      const ran = await this.#runner.run(this.#test, [name], patienceMs, name)
      const named = testsNamed(ran, name)
      const waited = named.some(({ ms }) => ms >= patienceMs)
      if (!ran) return { problem: 'the test run gave no report', waited }
      return { problem: named.some(({ state }) => state === 'failed') ? null : 'the test stays green', waited }
    } finally {
      writeFileSync(path, source)
      this.#runner.changed.add(file)
    }
  }

  /** Those that turned red beside each other count when nothing of them is left: the named tests are green again. */
  async #settle(): Promise<void> {
    const together = this.#together.splice(0)
    if (together.length === 0) return
    // One alone had green tests before it; whether it left anything is asked by the tests of the next file, which begin with nothing disabled.
    const green = together.length === 1 || (await this.#areGreen(together))
    if (!green) this.#alone.push(...together)
    else for (const control of together) this.#problems.set(control, null)
  }

  async #areGreen(controls: readonly Control[]): Promise<boolean> {
    const ran = await this.#runner.run(this.#test, namesOf(controls), TEST_TIMEOUT_MS)
    return controls.every(({ name }) => {
      const named = testsNamed(ran, name)
      return named.length > 0 && named.every(({ state }) => state === 'passed')
    })
  }
}

const namesOf = (controls: readonly Control[]): readonly string[] => [...new Set(controls.map(({ name }) => name))]
