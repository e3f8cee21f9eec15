import { expect, it } from 'vitest'
import { asksMoreOfTools, isToolAllowed } from './tool-rules.ts'

it.each([
  [undefined, 'pay', false, true],
  [undefined, 'web_search', true, false],
  [[['*']], 'pay', false, true],
  [[['*']], 'web_search', true, false],
  [[['*']], 'hosted:web_search', false, true],
  [[['hosted:web_search']], 'web_search', true, true],
  [[['hosted:web_search']], 'hosted:web_search', false, false],
  [[['hosted:web_search']], 'web_search', false, false],
  [[['search_*', 'pay']], 'search_', false, true],
  [[['search_*', 'pay']], 'search', false, false],
  [[['search_*', 'pay']], 'payments', false, false],
  [[['search_*', 'pay']], 'Pay', false, false],
  [[['search_*'], ['search_web']], 'search_web', false, true],
  [[['search_*'], ['search_web']], 'search_mail', false, false],
  [[[]], 'pay', false, false],
] as const)('with the rules %j the tool %s (hosted: %s) is allowed: %s (C6)', (tools, name, hosted, allowed) => {
  expect(isToolAllowed(tools === undefined ? {} : { tools }, name, hosted)).toBe(allowed)
})

it('knows rules that let through less than those before (B8)', () => {
  const wide = { tools: [['pay', 'search_*']] }
  expect(asksMoreOfTools({}, wide)).toBe(false)
  expect(asksMoreOfTools(wide, wide)).toBe(false)
  expect(asksMoreOfTools(wide, {})).toBe(true)
  expect(asksMoreOfTools({ tools: [['pay']] }, wide)).toBe(true)
  expect(asksMoreOfTools({}, { tools: [['hosted:web_search']] })).toBe(true)
  expect(asksMoreOfTools({ toolArguments: 'check' }, {})).toBe(true)
  expect(asksMoreOfTools({}, { toolArguments: 'check' })).toBe(false)
})
