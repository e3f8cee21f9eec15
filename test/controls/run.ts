/**
 * Disables each control in turn in a copy of the source and demands that the named test turns red: a control without such a test is
 * a hope. `node test/controls/run.ts [part of a control's name]`.
 */
import { execFile } from 'node:child_process'
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
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

async function worker(): Promise<void> {
  const copy = mkdtempSync(join(tmpdir(), 'redoubt-controls-'))
  for (const part of ['src', 'test', 'scripts', 'package.json', 'tsconfig.json', 'vitest.config.ts'])
    cpSync(join(root, part), join(copy, part), { recursive: true })
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'))
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
  writeFileSync(
    path,
    source.replace(find, () => replace),
  )
  try {
    const report = await runTest(copy, test, name)
    if (!report) return 'the test run gave no report'
    const named = report.testResults.flatMap((result) => result.assertionResults).filter((result) => result.fullName.includes(name))
    if (named.length === 0) return `no test is named \`${name}\``
    return named.some((result) => result.status === 'failed') ? null : 'the test stays green'
  } finally {
    writeFileSync(path, source)
  }
}

function runTest(copy: string, test: string, name: string): Promise<Report | null> {
  const output = join(copy, 'report.json')
  rmSync(output, { force: true })
  return new Promise((resolve) => {
    const args = [
      join(root, 'node_modules/vitest/vitest.mjs'),
      'run',
      '--reporter=json',
      `--outputFile=${output}`,
      '--testNamePattern',
      RegExp.escape(name),
      test,
    ]
    execFile(process.execPath, args, { cwd: copy, timeout: TIMEOUT_MS, maxBuffer: 1 << 26 }, () => {
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
