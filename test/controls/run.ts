/**
 * Disables each control in turn in a copy of the source and demands that the named test turns red: a control without such a test is
 * a hope. Only the named test is run, so it is first shown to be green by itself: one that leans on its neighbours would be red for nothing.
 * `node test/controls/run.ts [part of a control's name]`.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Asked, Ran, Told } from './named-tests.ts'

interface Control {
  readonly control: string
  readonly file: string
  readonly find: string
  readonly replace: string
  readonly test: string
  readonly name: string
}

const WORKERS = 2
const TIMEOUT_MS = 120_000
/** Of a test while nothing is disabled, as vitest.config.ts has it. */
const TEST_TIMEOUT_MS = 20_000
/** What a disabled control leaves waiting for ever is waited for this long, and for a few times what the test takes otherwise. */
const PATIENCE_MS = 5_000
/** After the first failed test the rest of its run is of no more interest; one that ends at once spares the start of a process. */
const AFTERWARDS_MS = 500
/** What a file with a syntax error, or a run that was killed, leaves behind in a process is not kept for ever. */
const RUNS_A_PROCESS = 60
const root = fileURLToPath(new URL('../..', import.meta.url))
const folder = join(root, 'test/controls')
const wanted = process.argv[2] ?? ''
const controls = readdirSync(folder)
  .filter((name) => name.endsWith('.json'))
  .flatMap((name) => JSON.parse(readFileSync(join(folder, name), 'utf8')) as Control[])
  .filter(({ control }) => control.includes(wanted))

let passed = 0
const failures: string[] = []
const queue = [...controls]
/** The named tests of each file, run before anything is disabled. */
const baselines = new Map<string, Promise<readonly Ran[] | null>>()

async function worker(): Promise<void> {
  // Inside the repository, so that its packages are found without a link: the process of a foreign model may read no link, and would fail for that alone.
  const copy = mkdtempSync(join(root, '.controls-'))
  for (const part of ['src', 'test', 'scripts', 'package.json', 'tsconfig.json', 'vitest.config.ts'])
    cpSync(join(root, part), join(copy, part), { recursive: true })
  const runner = new Runner(copy)
  for (let control = queue.shift(); control; control = queue.shift()) {
    const problem = await attempt(copy, runner, control)
    if (problem === null) passed++
    else failures.push(`${control.control} (${control.file}): ${problem}`)
    console.log(`${problem === null ? 'red as it must be' : `NOT CAUGHT: ${problem}`}  ${control.control}`)
  }
  runner.end()
  rmSync(copy, { recursive: true, force: true })
}

/** @returns null when the named test turned red, else what is wrong. */
async function attempt(copy: string, runner: Runner, { file, find, replace, test, name }: Control): Promise<string | null> {
  const path = join(copy, file)
  const source = readFileSync(path, 'utf8')
  if (source.split(find).length !== 2) return `the text to replace stands ${source.split(find).length - 1} times in the file`
  const names = controls.filter((other) => other.test === test).map((other) => other.name)
  let baseline = baselines.get(test)
  if (!baseline) baselines.set(test, (baseline = runner.run(test, names, TEST_TIMEOUT_MS)))
  let before = testsNamed(await baseline, name)
  if (before.length === 0 || before.some(({ state }) => state !== 'passed')) {
    // Asked once more, alone and in a process of its own: a busy machine lets tests run out of time.
    runner.end()
    before = testsNamed(await runner.run(test, [name], TEST_TIMEOUT_MS), name)
  }
  if (before.length === 0) return `no test is named \`${name}\``
  if (before.some(({ state }) => state !== 'passed')) return 'the test is not green to begin with'
  writeFileSync(
    path,
    source.replace(find, () => replace),
  )
  runner.changed.add(file)
  try {
    const ran = await runner.run(test, [name], PATIENCE_MS + 4 * Math.max(...before.map(({ ms }) => ms)), name)
    if (!ran) return 'the test run gave no report'
    return testsNamed(ran, name).some(({ state }) => state === 'failed') ? null : 'the test stays green'
  } finally {
    writeFileSync(path, source)
    runner.changed.add(file)
  }
}

const testsNamed = (ran: readonly Ran[] | null, name: string): readonly Ran[] =>
  (ran ?? []).filter((one) => one.name.replaceAll(' > ', ' ').includes(name.replaceAll(' > ', ' ')))

/** Runs tests in a process that stays; one that does not end in time is killed with its process. */
class Runner {
  readonly #copy: string
  #child: ChildProcess | null = null
  #runs = 0
  /** Files that differ from what the last run saw: one that was put back, and the next. */
  readonly changed = new Set<string>()

  constructor(copy: string) {
    this.#copy = copy
  }

  /**
   * Runs the tests of a file whose names are among `names`.
   * @param until the run is over with the first failed test that is named so.
   * @returns null when there is no report.
   */
  async run(test: string, names: readonly string[], timeoutMs: number, until?: string): Promise<readonly Ran[] | null> {
    if (this.#runs++ % RUNS_A_PROCESS === 0) this.end()
    this.#child ??= await this.#start()
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
    const child = fork(join(this.#copy, 'test/controls/named-tests.ts'), { cwd: this.#copy, stdio: ['ignore', 'ignore', 'ignore', 'ipc'] })
    await once(child, 'message')
    return child
  }

  end(): void {
    this.#child?.kill('SIGKILL')
    this.#child = null
  }
}

await Promise.all(Array.from({ length: WORKERS }, worker))
for (const failure of failures) console.error(failure)
console.log(`controls: ${passed} passed, ${failures.length} failed`)
if (failures.length > 0 || controls.length === 0) process.exitCode = 1
