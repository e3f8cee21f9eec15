import { beforeAll, describe, expect, it } from 'vitest'
import { authorize } from './authorize.ts'
import { type Cedar, loadCedar } from './cedar.ts'
import { OPERATOR_NAMES } from './compile-expression.ts'
import { compilePolicy, type PolicyJson } from './compile-policy.ts'
import type { Entity } from './evaluation.ts'
import { runOracle } from './oracle-run.ts'
import { BAD_DATETIMES, BAD_DECIMALS, BAD_DURATIONS, BAD_IPS, DATETIMES, DECIMALS, DURATIONS, IPS } from './oracle-vocabulary.ts'
import { EntityValue, RecordValue, type Value } from './values.ts'

let cedar: Cedar
beforeAll(async () => {
  cedar = await loadCedar()
})

type Call = Parameters<Cedar['isAuthorized']>[0]

const entity = (
  type: string,
  id: string,
  parents: readonly [string, string][] = [],
  attributes: Readonly<Record<string, Value>> = {},
): Entity => ({
  uid: new EntityValue(type, id),
  attributes: new RecordValue(new Map(Object.entries(attributes))),
  tags: new Map<string, Value>([['tag', 'on']]),
  ancestors: new Set(parents.map(([parentType, parentId]) => new EntityValue(parentType, parentId).key)),
})
const known = [
  entity('User', 'alice', [['Role', 'a']], { name: 'User::bob', friend: new EntityValue('User', 'bob'), level: 3 }),
  entity('User::Bot', 'u'),
  entity('User', 'Bot::u'),
  entity('Doc', 'd'),
  entity('Action', 'read', [['Action', 'group']]),
  entity('Action', 'group'),
]

/** What both engines say of `permit(…) when { text }` or of a whole policy: they must say the same. */
function outcome(text: string, ids: { principal?: readonly [string, string] } = {}): string {
  const policy = text.startsWith('permit') || text.startsWith('forbid') ? text : `permit(principal, action, resource) when { ${text} };`
  const answer = cedar.policyToJson(policy)
  if (answer.type === 'failure') throw new Error(answer.errors[0]?.message)
  const [type, id] = ids.principal ?? ['User', 'alice']
  const request = {
    principal: new EntityValue(type, id),
    action: new EntityValue('Action', 'read'),
    resource: new EntityValue('Doc', 'd'),
    context: new RecordValue(
      new Map<string, Value>([
        ['n', 5],
        ['s', 'User::alice'],
        ['r', new RecordValue(new Map<string, Value>([['a', 1]]))],
      ]),
    ),
    entities: { find: (key: string) => known.find(({ uid }) => uid.key === key) },
  }
  const ours = authorize([compilePolicy('p', answer.json as PolicyJson)], request)
  const json = (value: Value): Call['context'][string] =>
    value instanceof EntityValue ? { __entity: { type: value.type, id: value.id } } : (value as string | number)
  const theirs = cedar.isAuthorized({
    principal: { type, id },
    action: { type: 'Action', id: 'read' },
    resource: { type: 'Doc', id: 'd' },
    context: { n: 5, s: 'User::alice', r: { a: 1 } },
    policies: { staticPolicies: { p: policy } },
    entities: known.map(({ uid, attributes, tags, ancestors }) => ({
      uid: { type: uid.type, id: uid.id },
      attrs: Object.fromEntries([...attributes.fields].map(([name, value]) => [name, json(value)])),
      tags: Object.fromEntries([...(tags as ReadonlyMap<string, Value>)].map(([name, value]) => [name, json(value)])),
      parents: [...ancestors].map((key) => ({ type: key.split('\0')[0] ?? '', id: key.split('\0')[1] ?? '' })),
    })),
  })
  if (theirs.type === 'failure') throw new Error(theirs.errors[0]?.message)
  const { decision, diagnostics } = theirs.response
  expect({ effect: ours.effect, reasons: ours.reasons, errors: ours.errors }, policy).toEqual({
    effect: decision,
    reasons: diagnostics.reason,
    errors: diagnostics.errors.map(({ policyId }) => policyId),
  })
  return ours.errors.length > 0 ? 'error' : ours.effect
}

describe('the rows of the trap table, each as Cedar decides it (B7)', () => {
  it('tests each element of `in [A, B]`', () => {
    expect(outcome('principal in [Role::"z", Role::"a"]')).toBe('allow')
    expect(outcome('principal in [Role::"z", Role::"y"]')).toBe('deny')
    expect(outcome('principal in []')).toBe('deny')
    expect(outcome('principal in [Role::"a", 1]')).toBe('error')
  })

  it('walks the whole path of `has a.b`', () => {
    expect(outcome('context has r.a')).toBe('allow')
    expect(outcome('context has r.b')).toBe('deny')
    expect(outcome('context has r.a.b')).toBe('error')
    expect(outcome('context has zz.b')).toBe('deny')
    expect(outcome('principal has friend.name')).toBe('deny')
    expect(outcome('principal has friend')).toBe('allow')
  })

  it('compares sets and records by structure', () => {
    expect(outcome('[1, 2] == [2, 1, 1]')).toBe('allow')
    expect(outcome('[[1], [2]] == [[2], [1]]')).toBe('allow')
    expect(outcome('{a: 1, b: [2]} == {b: [2, 2], a: 1}')).toBe('allow')
    expect(outcome('[1] == [1, 2]')).toBe('deny')
    expect(outcome('["1"] == [1]')).toBe('deny')
  })

  it('finds decimals, addresses and records in a set by value', () => {
    expect(outcome('[decimal("1.20")].contains(decimal("1.2"))')).toBe('allow')
    expect(outcome('[ip("10.0.0.1")].contains(ip("10.0.0.1/32"))')).toBe('allow')
    expect(outcome('[{a: 1}].contains({a: 1})')).toBe('allow')
    expect(outcome('[{a: 1}].contains({a: 2})')).toBe('deny')
    expect(outcome('[[1, 2]].containsAll([[2, 1]])')).toBe('allow')
  })

  it('knows IPv6, and that equal addresses with other prefixes differ', () => {
    expect(outcome('ip("2001:db8::5").isInRange(ip("2001:db8::/32"))')).toBe('allow')
    expect(outcome('ip("2001:db9::5").isInRange(ip("2001:db8::/32"))')).toBe('deny')
    expect(outcome('ip("10.0.0.1").isInRange(ip("::/0"))')).toBe('deny')
    expect(outcome('ip("10.0.0.1/24") == ip("10.0.0.1")')).toBe('deny')
    expect(outcome('ip("::1") == ip("0:0:0:0:0:0:0:1")')).toBe('allow')
  })

  it('computes exactly beyond 2^53, fails beyond 64 bits, and refuses a literal that JSON cannot carry', () => {
    expect(outcome('9007199254740991 + 2 == 9007199254740991 + 1')).toBe('deny')
    expect(outcome('9007199254740991 + 2 > 9007199254740991 + 1')).toBe('allow')
    expect(outcome('9007199254740991 * 1024 - 9007199254740991 * 1024 == 0')).toBe('allow')
    expect(outcome('9007199254740991 * 1025 == 1')).toBe('error')
    expect(outcome('-(0 - 9007199254740991 * 1024 - 1024) == 1')).toBe('error')
    expect(() => outcome('9007199254740993 == 9007199254740992')).toThrow('2^53')
  })

  it('keeps type and id of an entity apart', () => {
    expect(outcome('principal is User', { principal: ['User::Bot', 'u'] })).toBe('deny')
    expect(outcome('principal is User', { principal: ['User', 'Bot::u'] })).toBe('allow')
    expect(outcome('principal == User::Bot::"u"', { principal: ['User', 'Bot::u'] })).toBe('deny')
    expect(outcome('permit(principal is User, action, resource);', { principal: ['User::Bot', 'u'] })).toBe('deny')
    expect(outcome('permit(principal == User::Bot::"u", action, resource);', { principal: ['User', 'Bot::u'] })).toBe('deny')
  })

  it('asks the action groups', () => {
    expect(outcome('action in Action::"group"')).toBe('allow')
    expect(outcome('permit(principal, action in Action::"group", resource);')).toBe('allow')
    expect(outcome('permit(principal, action in [Action::"other", Action::"group"], resource);')).toBe('allow')
    expect(outcome('permit(principal, action == Action::"group", resource);')).toBe('deny')
  })

  it('parses decimal, datetime and duration to their grammars', () => {
    for (const text of ['1', '1.', '.5', '1.23456', '1e3', '+1.0', '922337203685477.5808'])
      expect(outcome(`decimal("${text}") == decimal("1.0")`), text).toBe('error')
    for (const text of ['2024-1-1', '2023-02-29', '2024-01-01T24:00:00Z', '2024-01-01T00:00:00+01:00', '2024-01-01 00:00:00']) {
      expect(outcome(`datetime("${text}") == datetime("2024-01-01")`), text).toBe('error')
    }
    for (const text of ['', '-', '1', '1h1d', '1.5h', '1 d', '9223372036854775808ms'])
      expect(outcome(`duration("${text}") == duration("1d")`), text).toBe('error')
    expect(outcome('datetime("0050-01-01") < datetime("1950-01-01")')).toBe('allow')
    expect(outcome('duration("-9223372036854775808ms") < duration("0ms")')).toBe('allow')
  })

  it('knows `like`, `if`, `+`, `is` in a condition, `containsAny` and `lessThan`', () => {
    expect(outcome('context.s like "User::*ce"')).toBe('allow')
    expect(outcome('"a*c" like "a\\*c" && !("abc" like "a\\*c")')).toBe('allow')
    expect(outcome('"ab" like "ab*b"')).toBe('deny')
    expect(outcome('if context.n == 5 then true else 1')).toBe('allow')
    expect(outcome('if context.n == 4 then true else 1')).toBe('error')
    expect(outcome('context.n + 1 == 6')).toBe('allow')
    expect(outcome('[1, 2].containsAny([3, 2])')).toBe('allow')
    expect(outcome('[1, 2].containsAll([3, 2])')).toBe('deny')
    expect(outcome('decimal("1.5").lessThan(decimal("1.6"))')).toBe('allow')
    expect(outcome('resource is User in 1')).toBe('deny')
    expect(outcome('principal is User in 1')).toBe('error')
  })

  it('never takes a String for an entity, nor reads through one', () => {
    expect(outcome('context.s == principal')).toBe('deny')
    expect(outcome('context.s.level == 3')).toBe('error')
    expect(outcome('context.s in Role::"a"')).toBe('error')
    expect(outcome('principal.name.level == 3')).toBe('error')
  })

  it('finds no attribute that JavaScript objects inherit', () => {
    for (const name of ['constructor', '__proto__', 'toString', 'hasOwnProperty']) {
      expect(outcome(`context has "${name}"`), name).toBe('deny')
      expect(outcome(`context["${name}"] == 1`), name).toBe('error')
      expect(outcome(`principal has "${name}"`), name).toBe('deny')
    }
    expect(outcome('{"__proto__": 1}["__proto__"] == 1')).toBe('allow')
  })

  it('fails on what is not Boolean where a Boolean is asked for', () => {
    for (const text of ['1 && true', 'true && 1', '1 || true', 'false || 1', '!1', 'if 1 then true else true', 'context.n', '"true"'])
      expect(outcome(text), text).toBe('error')
    expect(outcome('permit(principal, action, resource) unless { 1 };')).toBe('error')
    expect(outcome('false && 1')).toBe('deny')
    expect(outcome('true || 1')).toBe('allow')
  })

  it('orders only numbers, datetimes and durations, each among themselves', () => {
    expect(outcome('"3" < 5')).toBe('error')
    expect(outcome('"3" < "5"')).toBe('error')
    expect(outcome('decimal("1.0") < decimal("2.0")')).toBe('error')
    expect(outcome('duration("1d") < datetime("2024-01-01")')).toBe('error')
    expect(outcome('datetime("2024-01-01") < datetime("2024-01-02")')).toBe('allow')
    expect(outcome('duration("1d") >= duration("24h")')).toBe('allow')
  })

  it('keeps integers, strings and Booleans of the same text apart', () => {
    expect(outcome('5 == "5"')).toBe('deny')
    expect(outcome('true == "true"')).toBe('deny')
    expect(outcome('[1, true].contains("1")')).toBe('deny')
    expect(outcome('0 - 0 * 5 == 0 && -1 * 0 == 0')).toBe('allow')
  })

  it('treats an unknown entity as having no attributes, tags or parents', () => {
    expect(outcome('User::"nobody" has level')).toBe('deny')
    expect(outcome('User::"nobody".level == 3')).toBe('error')
    expect(outcome('User::"nobody".hasTag("tag")')).toBe('deny')
    expect(outcome('User::"nobody".getTag("tag") == "on"')).toBe('error')
    expect(outcome('User::"nobody" in Role::"a"')).toBe('deny')
    expect(outcome('User::"nobody" in User::"nobody"')).toBe('allow')
    expect(outcome('principal.hasTag("tag") && principal.getTag("tag") == "on"')).toBe('allow')
    expect(outcome('principal.hasTag(1)')).toBe('error')
  })

  it('computes datetimes as Cedar does before 1970 too', () => {
    expect(outcome('datetime("1969-12-31T23:00:00Z").toDate() == datetime("1969-12-31")')).toBe('allow')
    expect(outcome('datetime("1969-12-31T23:00:00Z").toTime() == duration("23h")')).toBe('allow')
    expect(outcome('datetime("2024-01-02").durationSince(datetime("2024-01-01")).toHours() == 24')).toBe('allow')
    expect(outcome('duration("-36h").toDays() == -1')).toBe('allow')
    expect(outcome('datetime("2024-01-01").offset(duration("9223372036854775807ms")) == datetime("2024-01-01")')).toBe('error')
  })
})

it('accepts, refuses and reads every literal of the extension types as Cedar does (B7)', () => {
  const each = (name: string, good: readonly string[], bad: readonly string[], tests: readonly string[]): void => {
    // One text for the good literals keeps the number of calls small: each is compared with its neighbour by every test.
    good.forEach((text, index) => {
      const [value, next] = [`${name}("${text}")`, `${name}("${good[(index + 1) % good.length] ?? ''}")`]
      expect(outcome(`${value} == ${value}`), text).toBe('allow')
      for (const test of tests) outcome(test.replaceAll('$', value).replaceAll('@', next))
    })
    for (const text of bad) expect(outcome(`${name}("${text}") == 1`), text).toBe('error')
  }
  each('ip', IPS, BAD_IPS, ['$.isLoopback()', '$.isMulticast()', '$.isIpv6()', '$.isInRange(@)', '@.isInRange($)', '$ == @'])
  each('decimal', DECIMALS, BAD_DECIMALS, ['$.lessThan(@)', '$.greaterThanOrEqual(@)', '$ == @'])
  each('datetime', DATETIMES, BAD_DATETIMES, [
    '$ < @',
    '$.toTime() < duration("12h")',
    '$.toDate() == $',
    '$.durationSince(@).toDays() > 100',
  ])
  each('duration', DURATIONS, BAD_DURATIONS, [
    '$ < @',
    '$.toHours() == 36',
    '$.toSeconds() < 0',
    '$.toMinutes() * 60000 == $.toMilliseconds()',
  ])
})

// Some 2 s alone; the bound is for a machine that does eight other things.
it('decides 2,000 generated pairs as Cedar does, errors included (B1, B7)', () => {
  const seed = 20_261_125
  const report = runOracle(cedar, seed, 2000, 20)
  expect(report.mismatches, `seed ${seed}`).toEqual([])
  expect(report.pairs).toBe(2000)
  expect([...report.operators].filter(([, count]) => count === 0)).toEqual([])
  expect(report.operators.size).toBe(OPERATOR_NAMES.length)
}, 60_000)
