import { RedoubtError } from '#foundation/core'
import { type Cell, commonType, type Compiled, constant, type CurrentRow, type ExpressionType, isNumber, isType, kept } from './typed.ts'
import type { Expression } from './syntax.ts'
import { unsound } from './tokens.ts'

/** Characters of a text that an expression makes. */
const MAX_TEXT = 65_536
const MAX_DIGITS = 15
/** A date or instant of ISO 8601 (RFC 3339). */
const ISO_DATE = /^(\d{4})-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])(?:$|[T ])/
const NUMBER = /^-?[0-9]{1,300}(?:\.[0-9]{1,300})?$/

type Maker = (name: string, operands: readonly Compiled[], written: readonly Expression[]) => Compiled

/** A function of texts and numbers; a missing operand makes it missing. */
function plain(types: readonly ('number' | 'text')[], type: ExpressionType, compute: (...cells: never[]) => Cell): Maker {
  return (name, operands) => {
    demandOperands(name, operands, types.length, types.length)
    operands.forEach((operand, i) => demandType(name, operand.type, types[i]!))
    return { type, run: (row) => computed(row, operands, compute as (...cells: Cell[]) => Cell) }
  }
}

function computed(row: CurrentRow, operands: readonly Compiled[], compute: (...cells: Cell[]) => Cell): Cell {
  const cells: Cell[] = []
  for (const { run } of operands) {
    const cell = run(row)
    if (cell === null) return null
    cells.push(cell)
  }
  return compute(...cells)
}

function demandOperands(name: string, operands: readonly unknown[], least: number, most: number): void {
  if (operands.length < least || operands.length > most)
    throw unsound(`\`${name}\` takes ${least === most ? least : `${least} to ${most}`} operands, and was given ${operands.length}`)
}

function demandType(name: string, type: ExpressionType, wanted: 'number' | 'text' | 'boolean'): void {
  if (wanted === 'number' ? !isNumber(type) : !isType(type, wanted))
    throw unsound(`\`${name}\` needs ${wanted === 'boolean' ? 'a truth value' : `a ${wanted}`} here, and was given ${type}`)
}

/** @throws {RedoubtError} `ERR_TRANSFORM_VALUE`. */
function keptText(text: string): string {
  if (text.length > MAX_TEXT) throw new RedoubtError('ERR_TRANSFORM_VALUE', `a text of more than ${MAX_TEXT} characters came out`)
  return text
}

/** Half goes away from zero. */
function rounded(value: number, digits: number): number {
  const scale = 10 ** digits
  const scaled = Math.abs(value) * scale
  return Number.isFinite(scaled) ? (Math.sign(value) * Math.round(scaled)) / scale : value
}

const whole = (compute: (value: number) => number): Maker =>
  plain(['number'], 'integer', (value: number) => kept(compute(value), 'integer'))

const FUNCTIONS: Readonly<Record<string, Maker>> = {
  lower: plain(['text'], 'text', (text: string) => keptText(text.toLowerCase())),
  upper: plain(['text'], 'text', (text: string) => keptText(text.toUpperCase())),
  trim: plain(['text'], 'text', (text: string) => text.trim()),
  /** Unicode code points. */
  length: plain(['text'], 'integer', (text: string) => Array.from(text).length),
  /** From a place that counts from 1, at most so many code points. */
  substring: plain(['text', 'number', 'number'], 'text', (text: string, from: number, length: number) => {
    const start = Math.max(0, Math.floor(from) - 1)
    return Array.from(text)
      .slice(start, start + Math.max(0, Math.floor(length)))
      .join('')
  }),
  startswith: plain(['text', 'text'], 'boolean', (text: string, part: string) => text.startsWith(part)),
  contains: plain(['text', 'text'], 'boolean', (text: string, part: string) => text.includes(part)),
  year: plain(['text'], 'integer', (text: string) => {
    const year = ISO_DATE.exec(text)?.[1]
    return year === undefined ? null : Number(year)
  }),
  number: plain(['text'], 'real', (text: string) => (NUMBER.test(text) && Number.isFinite(Number(text)) ? Number(text) + 0 : null)),
  text: plain(['number'], 'text', (value: number) => String(value)),
  floor: whole(Math.floor),
  ceil: whole(Math.ceil),
  abs: (name, operands) => {
    demandOperands(name, operands, 1, 1)
    demandType(name, operands[0]!.type, 'number')
    return { type: operands[0]!.type, run: (row) => computed(row, operands, (value) => Math.abs(value as number)) }
  },
  round: (name, operands, written) => {
    demandOperands(name, operands, 1, 2)
    demandType(name, operands[0]!.type, 'number')
    if (written[1] === undefined)
      return { type: 'integer', run: (row) => computed(row, operands, (value) => kept(rounded(value as number, 0), 'integer')) }
    const digits = constant(written[1]).value
    if (typeof digits !== 'number' || !Number.isSafeInteger(digits) || digits < 0 || digits > MAX_DIGITS)
      throw unsound(`\`round\` takes 0 to ${MAX_DIGITS} digits`)
    return { type: 'real', run: (row) => computed(row, operands.slice(0, 1), (value) => kept(rounded(value as number, digits), 'real')) }
  },
  /** The lower end of the step of so much that a number lies in. */
  bucket: (name, operands, written) => {
    demandOperands(name, operands, 2, 2)
    demandType(name, operands[0]!.type, 'number')
    const { value: width, type: own } = constant(written[1]!)
    if (typeof width !== 'number' || width <= 0) throw unsound('`bucket` takes a width above 0')
    const type = own === 'integer' && operands[0]!.type !== 'real' ? 'integer' : 'real'
    return { type, run: (row) => computed(row, operands.slice(0, 1), (value) => kept(Math.floor((value as number) / width) * width, type)) }
  },
  concat: (name, operands) => {
    demandOperands(name, operands, 1, 32)
    for (const { type } of operands) demandType(name, type, 'text')
    return { type: 'text', run: (row) => computed(row, operands, (...texts) => keptText(texts.join(''))) }
  },
  coalesce: (name, operands) => {
    demandOperands(name, operands, 1, 32)
    const type = commonType(
      operands.map((operand) => operand.type),
      '`coalesce`',
    )
    return {
      type,
      run(row) {
        for (const { run } of operands) {
          const cell = run(row)
          if (cell !== null) return cell
        }
        return null
      },
    }
  },
  missing: (name, operands) => {
    demandOperands(name, operands, 1, 1)
    return { type: 'boolean', run: (row) => operands[0]!.run(row) === null }
  },
  if: (name, operands) => {
    demandOperands(name, operands, 3, 3)
    const [condition, yes, no] = operands as [Compiled, Compiled, Compiled]
    demandType(name, condition.type, 'boolean')
    return {
      type: commonType([yes.type, no.type], '`if`'),
      run(row) {
        const holds = condition.run(row)
        return holds === null ? null : (holds ? yes : no).run(row)
      },
    }
  },
}

export const FUNCTION_NAMES: readonly string[] = Object.keys(FUNCTIONS)

/** @throws {RedoubtError} `ERR_TRANSFORM_DEFINITION` for a function that is not there, or operands that do not fit it. */
export function callOf(name: string, operands: readonly Compiled[], written: readonly Expression[]): Compiled {
  if (!Object.hasOwn(FUNCTIONS, name))
    throw unsound(`there is no function \`${name.slice(0, 40)}\`; there are ${FUNCTION_NAMES.join(', ')}`)
  return FUNCTIONS[name]!(name, operands, written)
}
