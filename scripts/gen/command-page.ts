import type { Command, Option } from 'commander'
import { createProgram } from '../../src/composition/program.ts'
import { GENERATED_NOTE, type GeneratedFile, markdownTable } from './generated-file.ts'

/** The page of the command line, from what `--help` knows; options that every command takes stand once, at the top. */
export function commandPage(): GeneratedFile {
  const program = createProgram(['redoubt'])
  const common = program.options.filter((option) => option.long !== '--version')
  const everywhere = new Set(common.map(flagOf))
  const leaves = leavesOf(program, [])
  const overview = leaves.map(({ path, command }) => [`[\`${path.join(' ')}\`](#${anchor(path)})`, command.description()])
  const pages = leaves.map(({ path, command }) => {
    const own = command.options.filter((option) => !everywhere.has(flagOf(option)))
    const parameters = command.registeredArguments.map((argument) => ` <${argument.name()}>`).join('')
    const options = own.length === 0 ? '' : `\n\n${markdownTable(['option', 'meaning', 'default'], own.map(rowOf))}`
    return `## redoubt ${path.join(' ')}\n\n\`redoubt ${path.join(' ')}${parameters}${own.length === 0 ? '' : ' [options]'}\`\n\n${sentence(command.description())}${options}`
  })
  return {
    path: 'docs/reference/commands.md',
    text: `${GENERATED_NOTE}

# Commands

In a checkout: \`./bin/redoubt …\`, from any folder. Exit codes: 0 done, 1 refused or failed, 2 the command line was not understood.
The server is found by options, then by \`REDOUBT_*\`, then by \`server.json\` in the data directory. Without either,
it is \`./.redoubt/data\` of the folder that you are in, and only when that is yours and closed to others: a checkout of someone else’s must not choose the server that
your tokens go to. These options go with every command:

${markdownTable(
  ['option', 'meaning'],
  common.map((option) => rowOf(option).slice(0, 2)),
)}

${markdownTable(['command', 'what it does'], overview)}

${pages.join('\n\n')}
`,
  }
}

function leavesOf(command: Command, path: readonly string[]): readonly { readonly path: readonly string[]; readonly command: Command }[] {
  if (command.commands.length === 0) return [{ path, command }]
  return command.commands.flatMap((child) => leavesOf(child, [...path, child.name()]))
}

const flagOf = (option: Option): string => option.long ?? option.flags
const anchor = (path: readonly string[]): string => ['redoubt', ...path].join('-')
const sentence = (text: string): string => `${text.charAt(0).toUpperCase()}${text.slice(1)}.`

function rowOf(option: Option): readonly string[] {
  const choices = option.argChoices ? `: ${option.argChoices.map((choice) => `\`${choice}\``).join(', ')}` : ''
  const fallback = Array.isArray(option.defaultValue) && option.defaultValue.length === 0 ? undefined : option.defaultValue
  const standard =
    option.mandatory && fallback === undefined
      ? 'required'
      : fallback === undefined
        ? ''
        : `\`${option.defaultValueDescription ?? String(fallback)}\``
  return [`\`${option.flags}\``, `${option.description}${choices}`, standard]
}
