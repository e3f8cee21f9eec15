import { describe, expect, it } from 'vitest'
import { compilePlan } from './plan.ts'
import { createRedactor, scanText } from './redactor.ts'

const PLAN = compilePlan({ default: 'mask' })
const CARD = '4111 1111 1111 1111'

/** The card with each digit as the sign so many code points behind the zero of another form. */
const writtenFrom = (zero: number): string => CARD.replaceAll(/\d/gu, (digit) => String.fromCodePoint(zero + Number(digit)))

const FORMS: readonly (readonly [form: string, written: string])[] = [
  ...(
    [
      ['Arabic-Indic', 0x660], ['Persian', 0x6f0], ['Devanagari', 0x966], ['Bengali', 0x9e6], ['Gurmukhi', 0xa66], ['Tamil', 0xbe6], ['Thai', 0xe50],
      ['Lao', 0xed0], ['Tibetan', 0xf20], ['Burmese', 0x1040], ['Khmer', 0x17e0], ['Mongolian', 0x1810], ['full-width', 0xff10],
      ['circled', 0x245f], ['circled, filled', 0x2775], ['circled, without serifs', 0x277f], ['in two circles', 0x24f4], ['in brackets', 0x2473], ['with a full stop', 0x2487],
    ] as const
  ).map(([form, zero]) => [form, writtenFrom(zero)] as const),
  ...([0x1d7ce, 0x1d7d8, 0x1d7e2, 0x1d7ec, 0x1d7f6] as const).map((zero) => [`mathematical, from ${zero.toString(16)}`, writtenFrom(zero)] as const),
  ['keys', CARD.replaceAll(/\d/gu, '$&\uFE0F\u20E3')],
  ['between no-break spaces', CARD.replaceAll(' ', '\u00A0')],
  ['between narrow no-break spaces', CARD.replaceAll(' ', '\u202F')],
  ['between soft hyphens', CARD.replaceAll(' ', '\u00AD')],
  ['with joiners inside', CARD.replaceAll('1', '\u2060\u20631\u034F')],
  ['with zero-width spaces beside', CARD.replaceAll(' ', '\u200B \u200B')],
  ...['\u2010', '\u2011', '\u2012', '\u2013', '\u2043', '\u2212', '\uFE58', '\uFE63', '\uFF0D'].map((dash) => [`between ${dash}`, CARD.replaceAll(' ', dash)] as const),
] // prettier-ignore

describe.each(FORMS)('a card number written %s', (_form, written) => {
  it('is found with its own offsets, and nothing beside it is taken (C6)', () => {
    const text = `Card 💳 ${written} until May`
    const { findings, text: out } = scanText(text, PLAN)
    expect(out).toBe('Card 💳 [CREDIT_CARD] until May')
    expect(findings).toMatchObject([{ entity: 'CREDIT_CARD', start: 8, end: 8 + written.length }])
  })

  it('is masked the same in a stream, for every chunking (C6)', () => {
    const text = `Card 💳 ${written}, ok`
    for (const step of [1, 2, 3, 7]) {
      const redactor = createRedactor(PLAN)
      let out = ''
      for (let at = 0; at < text.length; at += step) out += redactor.push(text.slice(at, at + step))
      expect(out + redactor.flush()).toBe('Card 💳 [CREDIT_CARD], ok')
    }
  })
})

it.each(['① 4111 1111 1111 1111 and ②', '❶ 4111 1111 1111 1111 and ❷', '4111 1111 1111 1111³ and x²'])(
  'what numbers a list, or a note, is no digit of a number beside it: %s',
  (text) => {
    expect(scanText(text, PLAN).text).toBe(text.replace(CARD, '[CREDIT_CARD]'))
  },
)
