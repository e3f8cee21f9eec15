import * as fc from 'fast-check'
import { expect, it } from 'vitest'
import { compilePlan, createRedactor, forCall, scanText } from '#gateway/filters'
import { TextChannel } from './chat-completions/text-channel.ts'
import { filterJsonText } from './json-text.ts'

const plan = compilePlan({ PERSON: 'mask', LOCATION: 'mask', ORGANISATION: 'mask', default: 'mask' })
const create = () => createRedactor(plan)

const ARGUMENTS = [
  JSON.stringify({ to: 'Anna Smith', body: 'Dear Anna,\nwe met "Bob" Jones in Chicago.\tCall 4111 1111 1111 1111.', ok: true, n: null, amount: 4111111111111111 }),
  String.raw`{"name":"Ann\u0061 Sm\u0069th","other":"Bob Jones","cities":["Chicago","M\u00fcnchen"],"x":[true,false,null,1.5e3]}`,
  '{"query":"hotels near the station","max":5}',
] // prettier-ignore

it('masks names in the arguments of a tool call, escaped or not, and leaves them JSON, for every chunking (C6, C9)', () => {
  const [first, second, third] = ARGUMENTS.map((text) => filterJsonText(text, (plain) => scanText(plain, plan).text)) as [
    string,
    string,
    string,
  ]
  expect(JSON.parse(first)).toMatchObject({ to: '[PERSON]', ok: true, n: null, amount: '[CREDIT_CARD]' })
  expect(first).not.toMatch(/Anna|Jones|Chicago|4111/)
  expect(JSON.parse(second)).toMatchObject({ name: '[PERSON]', other: '[PERSON]', x: [true, false, null, 1500] })
  expect(second).not.toMatch(/Smith|Sm.u0069th|Jones/)
  expect(third).toBe(ARGUMENTS[2])
  for (const text of ARGUMENTS) {
    const whole = filterJsonText(text, (plain) => scanText(plain, plan).text)
    for (let cut = 0; cut <= text.length; cut++) {
      const channel = new TextChannel(create, true)
      expect(channel.push(text.slice(0, cut)) + channel.push(text.slice(cut)) + channel.flush()).toBe(whole)
    }
    const channel = new TextChannel(create, true)
    expect(text.split('').map((unit) => channel.push(unit)).join('') + channel.flush()).toBe(whole) // prettier-ignore
  }
})

it('lets no name out that a tool call interrupts, and reads its own masks as masks', () => {
  const text = 'I wrote to Anna Smith in Chicago, and to Jonathan Meyers as well.'
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: text.length }), { maxLength: 4 }), (cuts) => {
      const places = [0, ...cuts.sort((a, b) => a - b), text.length]
      const channel = new TextChannel(create, false)
      let out = ''
      for (let i = 1; i < places.length; i++) {
        out += channel.push(text.slice(places[i - 1], places[i]))
        out += channel.interrupt()
      }
      out += channel.flush()
      expect(out).not.toMatch(/\[\[|\]\]/)
      if (cuts.every((cut) => cut === 0 || cut === text.length)) expect(out).toBe(scanText(text, plan).text)
    }),
    { seed: 20_261_127, numRuns: 200 },
  )
})

it('leaves a value that a token was turned back into as it is, wherever a tool call interrupts, and masks what the model says (C6)', () => {
  const token = `[[PERSON_${'bcdfghjk'.repeat(3)}]]`
  const names = compilePlan({ PERSON: 'mask', default: 'mask' })
  const restoring = forCall(names, null, (asked) => (asked === token ? 'Jonathan Meyers' : null))
  const text = `I wrote to ${token} about 4111 1111 1111 1111, said Anna Smith.`
  for (let cut = 0; cut <= text.length; cut++) {
    const channel = new TextChannel(() => createRedactor(restoring), false)
    const before = channel.push(text.slice(0, cut)) + channel.interrupt()
    const out = before + channel.push(text.slice(cut)) + channel.flush()
    expect(out).not.toMatch(/4111 1111 1111 1111|Anna Smith/)
    const at = text.indexOf(token)
    if (cut <= at || cut >= at + token.length) expect(out).toMatch(/^I wrote to Jonathan Meyers about (?!.*Jonathan)/)
    if (cut === at + token.length) expect(out).toBe('I wrote to Jonathan Meyers about [CREDIT_CARD], said [PERSON].')
  }
})
