/**
 * Disables each control in turn in a copy of the source and demands that the named test turns red: a control without such a test is
 * a hope. Only the named tests of a file are run, so they are first shown to be green by themselves: one that leans on its neighbours would be red for nothing.
 */
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { type Control, Proof } from './proof.ts'
import { Runner } from './runner.ts'

const USAGE = `usage: node test/controls/run.ts [PART]

Disables each control of test/controls/*.json in turn, in a copy of the source, and demands that the test it names turns red.
  PART    only the controls whose name contains it
`
const WORKERS = 2
/** What a file with a syntax error, or a run that was killed, leaves behind in a process is not kept for ever. */
const RUNS_A_PROCESS = 100
/** Where the time goes: the slowest files of tests, at the end. */
const SLOWEST = 8
const root = fileURLToPath(new URL('../..', import.meta.url))
const folder = join(root, 'test/controls')

function misused(error: unknown): never {
  console.error(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`)
  process.exit(2)
}

function argumentsOrEnd(): { readonly help: boolean; readonly part: string } {
  try {
    const { values, positionals } = parseArgs({ options: { help: { type: 'boolean', short: 'h' } }, allowPositionals: true })
    if (positionals.length > 1) throw new Error('one part of a name at a time')
    return { help: values.help === true, part: positionals[0] ?? '' }
  } catch (error) {
    return misused(error)
  }
}

const { help, part: wanted } = argumentsOrEnd()
if (help) {
  console.log(USAGE)
  process.exit()
}
const controls = readdirSync(folder)
  .filter((name) => name.endsWith('.json'))
  .flatMap((name) => JSON.parse(readFileSync(join(folder, name), 'utf8')) as Control[])
  .filter(({ control }) => control.includes(wanted))
if (controls.length === 0) {
  console.error(`no control has \`${wanted}\` in its name`)
  process.exit(2)
}

let passed = 0
let starts = 0
let alone = 0
const failures: string[] = []
const seconds = new Map<string, number>()
// Those of one file of tests share a process. The longest first, so that both workers end together.
const queue = [...Map.groupBy(controls, ({ test }) => test).values()].sort((a, b) => b.length - a.length)

async function worker(): Promise<void> {
  // Inside the repository, so that its packages are found without a link: the process of a foreign model may read no link, and would fail for that alone.
  const copy = mkdtempSync(join(root, '.controls-'))
  for (const part of ['src', 'test', 'scripts', 'package.json', 'tsconfig.json', 'vitest.config.ts'])
    cpSync(join(root, part), join(copy, part), { recursive: true })
  const runner = new Runner(copy)
  for (let group = queue.shift(); group; group = queue.shift()) {
    const [first, ...rest] = group
    if (!first) continue
    const started = performance.now()
    if (runner.runs >= RUNS_A_PROCESS) runner.end()
    const proof = new Proof(copy, runner, [first, ...rest])
    for (const [{ control, file }, problem] of await proof.run()) {
      if (problem === null) passed++
      else failures.push(`${control} (${file}): ${problem}`)
      console.log(`${problem === null ? 'red as it must be' : `NOT CAUGHT: ${problem}`}  ${control}`)
    }
    alone += proof.alone
    seconds.set(first.test, (performance.now() - started) / 1000)
  }
  starts += runner.starts
  runner.end()
  rmSync(copy, { recursive: true, force: true })
}

await Promise.all(Array.from({ length: WORKERS }, worker))
console.log(`\nslowest files, with their controls; ${starts} processes begun, ${alone} controls tried in one of their own`)
for (const [test, each] of [...seconds].sort((a, b) => b[1] - a[1]).slice(0, SLOWEST))
  console.log(`${each.toFixed(1).padStart(7)} s  ${test}`)
console.log()
for (const failure of failures) console.error(failure)
console.log(`controls: ${passed} passed, ${failures.length} failed`)
if (passed + failures.length !== controls.length) console.error(`${controls.length - passed - failures.length} were not tried`)
if (failures.length > 0 || passed !== controls.length) process.exitCode = 1
