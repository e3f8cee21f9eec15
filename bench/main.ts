/**
 * `npm run bench [-- --json FILE] [-- --only NAME]…`: measures what the documentation promises and prints it beside its targets.
 * A missed target is a figure, not a failure: the exit code is 0 unless a benchmark could not run.
 */
import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { availableParallelism, cpus, loadavg, release } from 'node:os'
import { parseArgs } from 'node:util'
import { benchmark as alerts } from './alerts.bench.ts'
import { benchmark as audit } from './audit.bench.ts'
import { benchmark as chat } from './chat.bench.ts'
import { benchmark as crypto } from './crypto.bench.ts'
import { benchmark as decide } from './decide.bench.ts'
import { benchmark as filters } from './filters.bench.ts'
import { benchmark as gateway } from './gateway.bench.ts'
import { benchmark as hsm } from './hsm.bench.ts'
import { benchmark as identity } from './identity.bench.ts'
import { benchmark as ingest } from './ingest.bench.ts'
import { benchmark as keys } from './keys.bench.ts'
import { benchmark as limits } from './limits.bench.ts'
import { benchmark as peers } from './peers.bench.ts'
import { benchmark as pipeline } from './pipeline.bench.ts'
import { benchmark as policy } from './policy.bench.ts'
import type { Benchmark, Row } from './row.ts'
import { benchmark as serving } from './serving.bench.ts'
import { benchmark as startUp } from './start-up.bench.ts'
import { benchmark as training } from './training.bench.ts'
import { benchmark as transforms } from './transforms.bench.ts'

/** What users feel first, then its parts. */
const benchmarks: readonly Benchmark[] = [
  gateway, peers, startUp, decide, pipeline, audit, crypto, keys, hsm, ingest, transforms, serving, identity, policy, limits, filters, alerts, chat, training,
] // prettier-ignore
const WIDTH = 80
const VALUE_WIDTH = 11
const TARGET_WIDTH = 13

interface Finished {
  readonly name: string
  readonly seconds: number
  readonly rows: readonly Row[]
  readonly error?: string
}

const USAGE = `usage: npm run bench -- [--only NAME]… [--json FILE]

Measures what the documentation promises, and prints it beside its targets.
  --only NAME   this part alone; may be given more than once
  --json FILE   also writes the figures and what machine they are of

parts: ${benchmarks.map(({ name }) => name).join(', ')}
`

function misused(error: unknown): never {
  console.error(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`)
  process.exit(2)
}

function optionsOrEnd(): { readonly help?: boolean; readonly json?: string; readonly only?: string[] } {
  try {
    return parseArgs({
      options: { help: { type: 'boolean', short: 'h' }, json: { type: 'string' }, only: { type: 'string', multiple: true } },
    }).values
  } catch (error) {
    return misused(error)
  }
}

const values = optionsOrEnd()
if (values.help === true) {
  process.stdout.write(USAGE)
  process.exit(0)
}
const unknown = (values.only ?? []).filter((name) => !benchmarks.some((benchmark) => benchmark.name === name))
if (unknown.length > 0) {
  process.stderr.write(`no benchmark is called ${unknown.join(', ')}; there are ${benchmarks.map(({ name }) => name).join(', ')}\n`)
  process.exit(2)
}
const chosen = benchmarks.filter(({ name }) => values.only === undefined || values.only.includes(name))

const machine = {
  processor: cpus()[0]?.model.trim() ?? 'unknown',
  cores: availableParallelism(),
  memoryMiB: memoryMiB(),
  kernel: release(),
  node: process.version,
  opensslOfNode: process.versions.openssl,
  openssl: spawnSync('openssl', ['version'], { encoding: 'utf8' }).stdout.split(' ').slice(0, 2).join(' '),
  loadBefore: loadavg()[0],
}
print(`${machine.processor}, ${machine.cores} cores, ${machine.memoryMiB} MiB, Linux ${machine.kernel}`)
print(`Node ${machine.node} with OpenSSL ${machine.opensslOfNode}; ${machine.openssl}; load ${machine.loadBefore?.toFixed(1)}`)

const finished: Finished[] = []
for (const [i, benchmark] of chosen.entries()) finished.push(await measure(benchmark, `${i + 1}/${chosen.length}`))

const rows = finished.flatMap((each) => each.rows)
const judged = rows.filter(({ target }) => target !== null)
const missed = judged.filter((row) => !isMet(row))
const broken = finished.filter(({ error }) => error !== undefined)
print('')
print(
  `${judged.length - missed.length} of ${judged.length} targets met${broken.length > 0 ? `, ${broken.length} benchmarks could not run` : ''}`,
)
for (const row of missed) print(`missed: ${row.what}: ${number(row.value)} ${row.unit}, target ${row.comparator} ${row.target}`)
for (const { name, error } of broken) print(`could not run: ${name}: ${error}`)
if (values.json !== undefined) {
  const report = { machine, at: new Date().toISOString(), benchmarks: finished }
  writeFileSync(values.json, `${JSON.stringify(report, null, 2)}\n`)
}
process.exit(broken.length > 0 ? 1 : 0)

async function measure(benchmark: Benchmark, place: string): Promise<Finished> {
  const started = performance.now()
  const seconds = (): number => Math.round((performance.now() - started) / 100) / 10
  const progress = process.stderr.isTTY
    ? setInterval(() => process.stderr.write(`\r${place} ${benchmark.name} … ${seconds()} s `), 500)
    : null
  let rows: readonly Row[] = []
  let error: string | undefined
  try {
    rows = await benchmark.run()
  } catch (thrown) {
    error = thrown instanceof Error ? thrown.message : String(thrown)
  }
  if (progress) {
    clearInterval(progress)
    process.stderr.write('\r\x1b[K')
  }
  print('')
  print(heading(`${benchmark.name} (${place}, ${seconds()} s)`))
  for (const row of rows) for (const line of table(row)) print(line)
  if (error !== undefined) print(`  could not run: ${error}`)
  return { name: benchmark.name, seconds: seconds(), rows, ...(error === undefined ? {} : { error }) }
}

function heading(title: string): string {
  return `${title.padEnd(WIDTH - VALUE_WIDTH - TARGET_WIDTH - 11)}${'value'.padStart(VALUE_WIDTH)} ${'unit'.padEnd(9)}${'target'.padEnd(TARGET_WIDTH)}`
}

/** One row, and its note below it; nothing is wider than 80 columns. */
function table(row: Row): readonly string[] {
  const space = WIDTH - VALUE_WIDTH - TARGET_WIDTH - 11
  const what = wrapped(row.what, space - 3)
  const verdict = row.target === null ? '' : `${row.comparator} ${number(row.target)} ${isMet(row) ? 'met' : 'MISSED'}`
  const first = `  ${(what[0] ?? '').padEnd(space - 2)}${number(row.value).padStart(VALUE_WIDTH)} ${row.unit.padEnd(9)}${verdict}`
  const notes = row.note === undefined ? [] : wrapped(`(${row.note})`, WIDTH - 6).map((line) => `      ${line}`)
  return [first, ...what.slice(1).map((line) => `    ${line}`), ...notes]
}

function wrapped(text: string, width: number): readonly string[] {
  const lines: string[] = []
  for (const word of text.split(' ')) {
    const last = lines.at(-1)
    if (last !== undefined && last.length + 1 + word.length <= width) lines[lines.length - 1] = `${last} ${word}`
    else lines.push(word)
  }
  return lines
}

function isMet({ value, target, comparator }: Row): boolean {
  return target === null || (comparator === '<=' ? value <= target : value >= target)
}

/** Three digits that count, whatever the size. */
function number(value: number): string {
  const size = Math.abs(value)
  return size >= 1000 ? Math.round(value).toLocaleString('en') : value.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : 2)
}

function memoryMiB(): number {
  return Math.round(Number(/MemTotal:\s+(\d+)/.exec(readFileSync('/proc/meminfo', 'latin1'))?.[1]) / 1024)
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}
