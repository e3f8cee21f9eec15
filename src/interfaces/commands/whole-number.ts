import { InvalidArgumentError } from 'commander'

/** Of an option. */
export function wholeNumber(text: string): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 0) throw new InvalidArgumentError('a whole number is wanted')
  return value
}
