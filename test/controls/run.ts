/**
 * Disables each control in turn in a copy of the source and demands that the named test turns red: a control without such a test is
 * a hope. Only the named test is run, so it is first shown to be green by itself: one that leans on its neighbours would be red for nothing.
 * `node test/controls/run.ts [part of a control's name]`.
 */
import { execFile } from 'node:child_process'
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

interface Control {
  readonly control: string
  readonly file: string
  readonly find: string
  readonly replace: string
  readonly test: string
  readonly name: string
}

interface Report {
  readonly testResults: readonly { readonly assertionResults: readonly { readonly fullName: string; readonly status: string }[] }[]
}

const WORKERS = 2
const TIMEOUT_MS = 120_000
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
const baselines = new Map<string, Promise<Report | null>>()

async function worker(): Promise<void> {
  // Inside the repository, so that its packages are found without a link: the process of a foreign model may read no link, and would fail for that alone.
  const copy = mkdtempSync(join(root, '.controls-'))
  for (const part of ['src', 'test', 'scripts', 'package.json', 'tsconfig.json', 'vitest.config.ts'])
    cpSync(join(root, part), join(copy, part), { recursive: true })
  for (let control = queue.shift(); control; control = queue.shift()) {
    const problem = await attempt(copy, control)
    if (problem === null) passed++
    else failures.push(`${control.control} (${control.file}): ${problem}`)
    console.log(`${problem === null ? 'red as it must be' : `NOT CAUGHT: ${problem}`}  ${control.control}`)
  }
  rmSync(copy, { recursive: true, force: true })
}

/** @returns null when the named test turned red, else what is wrong. */
async function attempt(copy: string, { file, find, replace, test, name }: Control): Promise<string | null> {
  const path = join(copy, file)
  const source = readFileSync(path, 'utf8')
  if (source.split(find).length !== 2) return `the text to replace stands ${source.split(find).length - 1} times in the file`
  const names = controls.filter((other) => other.test === test).map((other) => other.name)
  let baseline = baselines.get(test)
  if (!baseline) baselines.set(test, (baseline = runTest(copy, test, names)))
  const before = testsNamed(await baseline, name)
  if (before.length === 0) return `no test is named \`${name}\``
  if (before.some((result) => result.status !== 'passed')) return 'the test is not green to begin with'
  writeFileSync(
    path,
    source.replace(find, () => replace),
  )
  try {
    const report = await runTest(copy, test, [name])
    if (!report) return 'the test run gave no report'
    return testsNamed(report, name).some((result) => result.status === 'failed') ? null : 'the test stays green'
  } finally {
    writeFileSync(path, source)
  }
}

const testsNamed = (report: Report | null, name: string): Report['testResults'][number]['assertionResults'] =>
  (report?.testResults ?? []).flatMap((result) => result.assertionResults).filter((result) => result.fullName.includes(name))

function runTest(copy: string, test: string, names: readonly string[]): Promise<Report | null> {
  const output = join(copy, 'report.json')
  rmSync(output, { force: true })
  return new Promise((resolve) => {
    const args = [
      join(root, 'node_modules/vitest/vitest.mjs'),
      'run',
      '--reporter=json',
      `--outputFile=${output}`,
      '--testNamePattern',
      names.map((name) => RegExp.escape(name)).join('|'),
      test,
    ]
    // What a disabled bound lets run for ever does not listen to a polite signal.
    const limits = { timeout: TIMEOUT_MS, killSignal: 'SIGKILL', maxBuffer: 1 << 26 } as const
    execFile(process.execPath, args, { cwd: copy, ...limits }, () => {
      try {
        resolve(JSON.parse(readFileSync(output, 'utf8')) as Report)
      } catch {
        resolve(null)
      }
    })
  })
}

await Promise.all(Array.from({ length: WORKERS }, worker))
for (const failure of failures) console.error(failure)
console.log(`controls: ${passed} passed, ${failures.length} failed`)
if (failures.length > 0 || controls.length === 0) process.exitCode = 1
