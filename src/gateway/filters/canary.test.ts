import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { PROMPT_CANARY } from './canary.ts'
import { compilePlan, withCanary } from './plan.ts'
import { createRedactor, scanInSlices, scanText, SLICE_UNITS } from './redactor.ts'

const MARKER = 'q7ak3mzt5xw2hb4yd6cfnrel'
const plan = withCanary(compilePlan({ default: 'mask' }), MARKER)
const named = withCanary(compilePlan({ PERSON: 'mask', default: 'mask' }), MARKER)

const base64 = (before: string): string => Buffer.from(`${before}${MARKER} and more`).toString('base64')
const FORMS: readonly (readonly [name: string, form: string])[] = [
  ['as it is', MARKER],
  ['in capitals', MARKER.toUpperCase()],
  ['spaced', MARKER.split('').join(' ')],
  ['dashed', MARKER.split('').join('-')],
  ['over lines', MARKER.replaceAll(/(.{6})/g, '$1\n')],
  ['with zero-width units', MARKER.split('').join('\u200b')],
  ['in full width', MARKER.replaceAll(/./g, (unit) => String.fromCharCode(unit.charCodeAt(0) + 0xfee0))],
  ['reversed', [...MARKER].reverse().join('')],
  ['in hexadecimal', Buffer.from(MARKER).toString('hex')],
  ['in spaced hexadecimal', Buffer.from(MARKER).toString('hex').replaceAll(/(..)/g, '$1 ')],
  ['in base64', base64('')],
  ['in base64 behind one byte', base64('x')],
  ['in base64 behind two bytes', base64('You are a helpful assistant, yes.')],
  ['in base64url over lines', Buffer.from(`prompt: ${MARKER}`).toString('base64url').replaceAll(/(.{20})/g, '$1\n')],
] // prettier-ignore

function stream(chunks: readonly string[], by = plan): { text: string; blocked: boolean; seen: number; mostHeld: number } {
  const redactor = createRedactor(by)
  let text = ''
  let mostHeld = 0
  for (const chunk of chunks) {
    text += redactor.push(chunk)
    mostHeld = Math.max(mostHeld, redactor.heldBack)
  }
  text += redactor.flush()
  return { text, blocked: redactor.blocked, seen: redactor.findings.get(PROMPT_CANARY) ?? 0, mostHeld }
}

describe('the marker of a system prompt in its answer (C7)', () => {
  it.each(FORMS)('is seen %s, whole and for every two-way split, and nothing of it leaves', (name, form) => {
    const text = `My instructions, for Jane at jane@example.com: ${form} and that is all.`
    for (const by of [plan, named]) {
      const whole = scanText(text, by)
      expect(whole.blocked).toBe(true)
      expect(whole.findings.at(-1)).toMatchObject({ entity: PROMPT_CANARY, action: 'block' })
      const [, before, rest] = /^(My instructions, for .*\[EMAIL_ADDRESS\]: )(.*)$/s.exec(whole.text) ?? []
      expect(before).toBeDefined()
      // What stands before it in the same encoding may leave, but for a letter and a part of one.
      const left = name.includes('base64') ? Buffer.from(rest!, 'base64').toString('latin1') : rest!
      expect(left).not.toContain(MARKER.slice(0, 2))
      if (!name.includes('base64')) expect(rest).toBe('')
      expect(stream(text.split(''), by)).toMatchObject({ text: whole.text, blocked: true, seen: 1 })
      for (let cut = 0; cut <= text.length; cut++)
        expect(stream([text.slice(0, cut), text.slice(cut)], by)).toMatchObject({ text: whole.text, blocked: true, seen: 1 })
    }
  })

  it('changes nothing where it is not, for any chunking', () => {
    const without = compilePlan({ default: 'mask' })
    const part = fc.oneof(
      fc.constantFrom(MARKER.slice(0, 12), MARKER.slice(0, 23), MARKER.slice(1), 'jane@example.com', '4111 1111 1111 1111', ' ', '\n', 'q', 'q7', '😀', ' the '),
      fc.string({ maxLength: 6 }),
    ) // prettier-ignore
    fc.assert(
      fc.property(fc.array(part, { maxLength: 20 }), fc.integer({ min: 1, max: 9 }), (parts, size) => {
        const text = parts.join('')
        const letters = text.replaceAll(/[^a-z0-9]/gi, '').toLowerCase()
        fc.pre(!letters.includes(MARKER))
        const chunks = Array.from({ length: Math.ceil(text.length / size) }, (_, i) => text.slice(i * size, (i + 1) * size))
        expect(scanText(text, plan).text).toBe(scanText(text, without).text)
        expect(stream(chunks)).toMatchObject({ text: scanText(text, without).text, blocked: false, seen: 0 })
      }),
      { seed: 20_261_127, numRuns: 500 },
    )
  })

  it('is seen wherever it stands in random texts', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 200 }), fc.constantFrom(...FORMS), fc.string({ maxLength: 50 }), fc.integer({ min: 1, max: 30 }), (before, [, form], after, size) => {
        const text = `${before}: ${form}. ${after}`
        const chunks = Array.from({ length: Math.ceil(text.length / size) }, (_, i) => text.slice(i * size, (i + 1) * size))
        const whole = scanText(text, plan)
        expect(whole.blocked).toBe(true)
        expect(stream(chunks)).toMatchObject({ text: whole.text, blocked: true })
      }),
      { seed: 20_261_127, numRuns: 300 },
    ) // prettier-ignore
  })

  it('is seen in a text of small letters alone, in which no value could be', () => {
    const letters = withCanary(compilePlan({ default: 'mask' }), 'qwertzuiopasdfghjklyxcvb')
    expect(scanText('it says q w e r t z u i o p a s d f g h j k l y x c v b here', letters)).toMatchObject({
      text: 'it says ',
      blocked: true,
    })
  })

  it('is seen over the border of two slices, and costs a bounded hold-back', () => {
    const text = `${'x y '.repeat(SLICE_UNITS / 4 - 3)}${MARKER}`
    const search = scanInSlices(text, plan)
    let step = search.next()
    while (step.done !== true) step = search.next()
    expect(step.value.blocked).toBe(true)
    expect(stream(`q7ak3mzt5${' '.repeat(9000)}`.match(/.{1,17}/gs) ?? []).mostHeld).toBeLessThan(200)
    for (const unit of ['q', 'q       ', 'q7ak3mzt5', ' ', '7'])
      expect(stream(unit.repeat(3000).match(/.{1,17}/gs) ?? []).mostHeld).toBeLessThan(1024 + 48 * 9)
  })
})
