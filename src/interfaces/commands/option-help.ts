import type { Option } from 'commander'

const isEmpty = (value: unknown): boolean => value === undefined || value === '' || (Array.isArray(value) && value.length === 0)

/** What help says of an option: its meaning, then whether it has to be given, what it may be, and what it is unless given. */
export function optionHelp({ description, mandatory, required, argChoices, defaultValue, defaultValueDescription }: Option): string {
  const fallback = defaultValueDescription ?? (required && !isEmpty(defaultValue) ? JSON.stringify(defaultValue) : undefined)
  const facts = [
    ...(mandatory && defaultValue === undefined ? ['required'] : []),
    ...(argChoices === undefined ? [] : [`choices: ${argChoices.join(', ')}`]),
    ...(fallback === undefined ? [] : [`default: ${fallback}`]),
  ]
  return facts.length === 0 ? description : `${description} (${facts.join('; ')})`
}
