import { readFileSync } from 'node:fs'
import { ERROR_TABLE, type ErrorCode } from '#foundation/core'
import { GENERATED_NOTE, type GeneratedFile, markdownTable } from './generated-file.ts'

/** The table of errors and refusals, in the sections that the source keeps them in. */
export function errorPage(): GeneratedFile {
  const source = readFileSync(new URL('../../src/foundation/core/error-table.ts', import.meta.url), 'utf8')
  const sections: { name: string; codes: ErrorCode[] }[] = []
  for (const line of source.slice(source.indexOf('export const ERROR_TABLE')).split('\n')) {
    const heading = /^ {2}\/\/ (.+)$/.exec(line)
    const code = /^ {2}(ERR_[A-Z0-9_]+): /.exec(line)
    if (heading) sections.push({ name: heading[1]!, codes: [] })
    else if (code) sections.at(-1)?.codes.push(code[1] as ErrorCode)
  }
  const listed = sections.flatMap(({ codes }) => codes).length
  const known = Object.keys(ERROR_TABLE).length
  if (listed !== known) throw new Error(`the error table has ${known} codes, its text shows ${listed}: one entry a line, below a section`)

  const tables = sections.map(({ name, codes }) => {
    const rows = codes.map((code) => {
      const { status, title, next } = ERROR_TABLE[code]
      return [`\`${code}\``, String(status), title, next]
    })
    return `## ${name}\n\n${markdownTable(['code', 'status', 'what happened', 'what to do next'], rows)}`
  })
  return {
    path: 'docs/reference/errors.md',
    text: `${GENERATED_NOTE}

# Errors and refusals

Every error that Redoubt can give, ${known} in all. The code is the contract and keeps its meaning; the message is for people and may change.
A refusal is an answer too: it says which control refused, and it is in the record under the same code (\`redoubt audit search --code CODE\`).

| surface | where the code stands |
| --- | --- |
| control plane \`/api/…\` and what belongs to no surface | \`code\` of \`application/problem+json\` (RFC 9457), with \`requestId\` |
| \`/v1/messages…\` (Anthropic) | \`error.message\` begins with it; \`redoubt-code\` |
| \`/v1/…\` (OpenAI) | \`error.code\`, in lower case; \`redoubt-code\` |
| gRPC | the message of the status begins with it; \`redoubt-code\` in the trailers |
| \`/v2/…\` (Open Inference Protocol) | \`error\` begins with it, then a colon and the message |
| \`/oauth/…\` | \`error_description\`, where the refusal is ours; \`error\` is OAuth's own word (RFC 6749 §5.2) |
| command line | the line \`code\`; with \`--json\`, \`error.code\`; exit code 1, or 2 for \`ERR_USAGE\` |

${tables.join('\n\n')}
`,
  }
}
