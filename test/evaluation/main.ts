/**
 * `npm run evaluate [-- tabular|filters|names|injection|confidential|served] [--json]`: what the models and the recognisers are worth on public data. `tabular` trains and scores in
 * process, `filters` searches texts, `names` trains and measures the tagger, `injection` the classifier, `confidential` registers texts and rows, `served` goes the whole way on a server of its own: import, train, deploy, infer over TLS. Ends with 1 when a target is
 * missed; missing data are an error.
 */
import { parseArgs } from 'node:util'
import { evaluateConfidential } from './confidential.ts'
import { evaluateFilters } from './filters.ts'
import { evaluateInjection } from './injection.ts'
import { evaluateNames } from './names.ts'
import { evaluateServed } from './served.ts'
import { evaluateTabular } from './tabular.ts'

interface Row {
  readonly what: string
  readonly value: number
  readonly target: number | null
  readonly ok: boolean
}

const PARTS: Readonly<Record<string, () => Promise<readonly Row[]> | readonly Row[]>> = {
  filters: evaluateFilters,
  names: evaluateNames,
  injection: evaluateInjection,
  confidential: evaluateConfidential,
  tabular: evaluateTabular,
  served: evaluateServed,
}

const USAGE = `usage: npm run evaluate -- [PART]… [--json]

Measures models and recognisers on public data, beside their targets.
  PART     ${Object.keys(PARTS).join(', ')}; all of them unless named
  --json   one JSON document instead of a table
`

function misused(error: unknown): never {
  console.error(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`)
  process.exit(2)
}

function argumentsOrEnd(): { readonly help: boolean; readonly json: boolean; readonly wanted: readonly string[] } {
  try {
    const options = { help: { type: 'boolean', short: 'h' }, json: { type: 'boolean' } } as const
    const { values, positionals } = parseArgs({ options, allowPositionals: true })
    return { help: values.help === true, json: values.json === true, wanted: positionals }
  } catch (error) {
    return misused(error)
  }
}

const { help, json, wanted } = argumentsOrEnd()
if (help) {
  console.log(USAGE)
  process.exit()
}
const unknown = wanted.filter((name) => !Object.hasOwn(PARTS, name))
if (unknown.length > 0) {
  console.error(`there is no evaluation \`${unknown.join(', ')}\`; there are ${Object.keys(PARTS).join(', ')}`)
  process.exit(2)
}

const rows: Row[] = []
for (const [name, evaluate] of Object.entries(PARTS)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue
  const started = performance.now()
  const found = await evaluate()
  rows.push(...found)
  if (json) continue
  console.log(`\n${name} (${((performance.now() - started) / 1000).toFixed(0)} s)`)
  for (const { what, value, target, ok } of found)
    console.log(
      `${ok ? '  ' : '! '}${value.toFixed(4).padStart(8)}  ${target === null ? ''.padEnd(9) : `of ${String(target).padEnd(6)}`}  ${what}`,
    )
}

const missed = rows.filter((row) => !row.ok)
const words = `${missed.length} of ${rows.filter((row) => row.target !== null).length} targets are missed`
if (json) console.log(JSON.stringify({ ok: missed.length === 0, missed: missed.length, rows }, null, 2))
else console.log(missed.length === 0 ? '\nevery target is met' : `\n${words}`)
process.exitCode = missed.length === 0 ? 0 : 1
