import { describe, expect, it } from 'vitest'
import { CREDENTIAL_SHAPES } from './credential-shapes.ts'
import { random } from './identifiers/values.fixture.ts'
import { compilePlan } from './plan.ts'
import { createRedactor, scanText } from './redactor.ts'
import { VENDOR_KEYS, type VendorForm } from './vendor-keys.ts'

const SEED = Number(process.env['REDOUBT_SEED'] ?? 20_261_127)
const plan = compilePlan({ API_KEY: 'mask' })
const next = random(SEED)
const ALPHABET: Readonly<Record<VendorForm['rest'], string>> = {
  alphanumeric: 'abcdefghABCDEFGH0123456789',
  base64url: 'abcdefghABCDEFGH0123456789',
  base64: 'abcdefghABCDEFGH0123456789',
  dotted: 'abcdefghABCDEFGH0123456789',
  any: 'abcdefghABCDEFGH0123456789',
  hex: 'abcdef0123456789',
  lower: 'abcdefgh0123456789',
  upper: 'ABCDEFGH0123456789',
  upperdash: 'ABCDEFGH0123456789',
}

const keyOf = ({ prefix, rest, least }: VendorForm): string =>
  prefix + Array.from({ length: least }, (_, i) => (i === 1 ? '7' : ALPHABET[rest][next(ALPHABET[rest].length)])).join('')
const words = (length: number): string => 'wordsandwordsandmorewords'.repeat(20).slice(0, length)

describe(`keys of vendors (C6, C9), seed ${SEED}`, () => {
  it('knows the forms of a hundred and fifty vendors', () => {
    const vendors = new Set([...VENDOR_KEYS.map(({ vendor }) => vendor), ...CREDENTIAL_SHAPES.map(({ what }) => what)])
    expect(vendors.size).toBeGreaterThanOrEqual(150)
    expect(new Set(VENDOR_KEYS.map(({ prefix }) => prefix)).size).toBe(VENDOR_KEYS.length)
  })

  it('finds a key of every form, in prose, in code and at the end of a sentence, whole, in every chunking', () => {
    for (const form of VENDOR_KEYS) {
      const key = keyOf(form)
      for (const [before, after] of [
        ['use ', ' here'],
        ['KEY="', '"'],
        ['it is ', '.'],
        ['', ', x'],
      ] as const) {
        const text = before + key + after
        expect(scanText(text, plan).text, form.vendor).toBe(`${before}[API_KEY]${after}`)
        const redactor = createRedactor(plan)
        const out = text.split('').map((unit) => redactor.push(unit)).join('') // prettier-ignore
        expect(out + redactor.flush(), form.vendor).toBe(`${before}[API_KEY]${after}`)
      }
    }
  })

  it('leaves what is too short, too long for a form of fixed length, or made of words', () => {
    for (const form of VENDOR_KEYS) {
      const { prefix, least, exact } = form
      const own = (text: string): boolean => scanText(text, plan).findings.some(({ start }) => start === 4)
      if (least > 12) expect(own(`use ${keyOf(form).slice(0, prefix.length + 6)} here`), `${form.vendor}, short`).toBe(false)
      if (exact)
        expect(own(`use ${keyOf(form)}77 here`), `${form.vendor}, long`).toBe(
          VENDOR_KEYS.some((other) => other !== form && !other.exact && prefix.startsWith(other.prefix)),
        )
      if (form.rest !== 'upper' && form.rest !== 'upperdash')
        expect(own(`use ${prefix}${words(least)} here`), `${form.vendor}, words`).toBe(
          /\d/u.test(prefix) && own(`use ${prefix}${words(least)} here`),
        )
    }
  })

  const part = (length: number, alphabet: string): string => Array.from({ length }, () => alphabet[next(alphabet.length)]).join('')
  const HEX = 'abcdef0123456789'
  const WORD = 'abcdefghABCDEFGH0123456789'
  /** What stands before the secret, the secret, and a look-alike of it. */
  const SHAPES: readonly (readonly [before: string, secret: string, lookAlike: string])[] = [
    ['postgres://app:', 's3cr3t!Pw', 'password'],
    ['AccountName=x;AccountKey=', part(86, WORD), 'short'],
    ['https://x.blob.core.windows.net/c?sv=1&sig=', part(44, WORD), 'short'],
    ['Server=db;Uid=app;Pwd=', 'Zx9-kk12', 'changeme'],
    ['', `${part(3, WORD)}8Q~${part(34, WORD)}`, `${part(3, WORD)}8Q~${part(12, WORD)}`],
    ['', `${part(76, WORD)}AZDO${part(4, WORD)}`, `${part(20, WORD)}AZDO${part(4, WORD)}`],
    ['', `123456789:AA${part(33, WORD)}`, `123456789:AA${part(20, WORD)}`],
    ['', `M${part(23, WORD)}.${part(6, WORD)}.${part(27, WORD)}`, `M${part(23, WORD)}.${part(3, WORD)}`],
    ['https://hooks.slack.com/services/', `T${part(8, WORD)}/B${part(8, WORD)}/${part(24, WORD)}`, 'T1'],
    ['https://x.webhook.office.com/webhookb2/', part(60, WORD), 'about'],
    ['https://discord.com/api/webhooks/', `123456789012345678/${part(68, WORD)}`, 'list'],
    ['', `${part(14, WORD)}.atlasv1.${part(64, WORD)}`, `${part(14, WORD)}.atlasv1.x`],
    ['', `${part(32, HEX)}-us12`, `${part(20, HEX)}-us12`],
    ['', `1/1234567890123456:${part(32, HEX)}`, `1/1234:${part(32, HEX)}`],
    ['', `AAAA${part(7, WORD)}:${part(140, WORD)}`, `AAAA${part(7, WORD)}:${part(20, WORD)}`],
    ['', `1000.${part(32, HEX)}.${part(32, HEX)}`, `1000.${part(12, HEX)}.${part(12, HEX)}`],
    ['', `00D${part(12, WORD)}!${part(80, WORD)}`, `00D${part(12, WORD)}!short`],
    ['', `access_token$production$${part(16, 'abc123')}$${part(32, HEX)}`, `access_token$production$${part(5, 'abc123')}`],
  ] // prettier-ignore

  it('finds secrets by what they stand in, and leaves what only looks like it', () => {
    expect(SHAPES).toHaveLength(CREDENTIAL_SHAPES.length)
    for (const [i, [before, secret, lookAlike]] of SHAPES.entries()) {
      const after = i === 0 ? '@db.example' : ''
      const masked = (value: string): string => scanText(`x ${before}${value}${after} y`, plan).text
      expect(masked(secret), CREDENTIAL_SHAPES[i]!.what).toBe(`x ${before}[API_KEY]${after} y`)
      expect(masked(lookAlike), CREDENTIAL_SHAPES[i]!.what).toBe(`x ${before}${lookAlike}${after} y`)
    }
  })

  it('masks passwords behind the word for them in eight languages, and leaves words', () => {
    const own = compilePlan({ PASSWORD: 'mask' })
    for (const text of [
      'password: ⟦W!nter2024⟧',
      'her password is ⟦R3boot!Now⟧',
      '"pwd":"⟦Qr7!dke#39⟧"',
      'Passwort: ⟦Sommer#24⟧',
      'mot de passe : ⟦Ete2024!⟧',
      'contraseña ⟦Sol!2024⟧',
      'wachtwoord is ⟦Zon!2024⟧',
      'hasło: ⟦Lato!2024⟧',
      'senha: ⟦Sol@2024x⟧',
      'DB_PASSWORD=⟦tr0ub4dor&3⟧',
      'PIN: ⟦48a1⟧',
    ]) {
      expect(scanText(text.replaceAll(/[⟦⟧]/gu, ''), own).text, text).toBe(text.replace(/⟦.*⟧/u, '[PASSWORD]'))
    }
    for (const text of [
      'password is required',
      'password = process.env.DB_PASSWORD',
      'password: ${SECRET_1}',
      'the password must have 8 characters',
      'password: ********',
      'reset the password, then call 12',
    ]) {
      expect(scanText(text, own).text).toBe(text)
    }
  })
})
