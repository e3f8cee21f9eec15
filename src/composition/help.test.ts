import type { Command } from 'commander'
import { expect, it } from 'vitest'
import { createProgram } from './program.ts'

const everyCommand = (command: Command): readonly Command[] => [command, ...command.commands.flatMap(everyCommand)]

it('says of an option that it has to be given, and of what it is otherwise only what says something', () => {
  for (const command of everyCommand(createProgram([]))) {
    const help = command.helpInformation().replace(/\s+/g, ' ')
    expect(help, command.name()).not.toMatch(/default: (?:\[\]|"")/)
    for (const { flags, description, mandatory, defaultValue } of command.options)
      if (mandatory && defaultValue === undefined) expect(help, command.name()).toContain(`${flags} ${description} (required`)
  }
})

it('explains every command, in 80 columns', () => {
  const commands = everyCommand(createProgram([]))
  expect(commands.length).toBeGreaterThan(100)
  for (const command of commands) {
    command.configureHelp({ ...command.configureHelp(), helpWidth: 80 })
    expect(command.description().length, command.name()).toBeGreaterThan(10)
    for (const line of command.helpInformation().split('\n')) expect(line.length, `${command.name()}: ${line}`).toBeLessThanOrEqual(80)
  }
})
