import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import { isToolAllowed, RedoubtError } from '#foundation/core'
import { loadCedar } from './cedar.ts'
import { FILTER_VOCABULARY, loadPolicies, mergeObligations, type PolicyEngine, readPolicyFolder } from './index.ts'
import { readAnnotations } from './obligations.ts'
import { query } from './policy-fixtures.ts'
import { splitPolicies } from './policy-text.ts'

const PERMIT = 'permit(principal, action, resource);'
const load = (text: string, name = 'mine.cedar'): Promise<PolicyEngine> => loadPolicies({ files: [{ name, text }] })
/** `file:line: reason` of the refusal. */
async function refusal(text: string): Promise<string> {
  try {
    await load(text)
  } catch (thrown) {
    expect(thrown).toBeInstanceOf(RedoubtError)
    expect((thrown as RedoubtError).code).toBe('ERR_POLICY_INVALID')
    return (thrown as RedoubtError).message
  }
  throw new Error('the policies were loaded')
}

describe('loading refuses, with file and line', () => {
  it('a policy that does not parse', async () => {
    expect(await refusal(`// a comment\n${PERMIT}\n\npermit(principal,\n  action, resource) when { 1 + };`)).toMatch(
      /^mine\.cedar:5: unexpected token/,
    )
    expect(await refusal(`${PERMIT}\npermit(principal, action, resource)`)).toMatch(/^mine\.cedar:2: a policy does not end/)
    expect(await refusal('permit(principal, action, resource) when { "abc };')).toMatch(/^mine\.cedar:1: a string is not closed/)
  })

  it('a misspelt attribute, and an optional one that is not asked for with `has` first', async () => {
    expect(await refusal(`\n${PERMIT}\nforbid(principal, action, resource)\nwhen { context.riks > 80 };`)).toMatch(/^mine\.cedar:4: .*riks/)
    expect(await refusal('forbid(principal, action, resource) when { principal.mfaLevel < 2 };')).toMatch(/^mine\.cedar:1: .*mfaLevel/)
    await expect(
      load('forbid(principal, action, resource) when { principal has mfaLevel && principal.mfaLevel < 2 };'),
    ).resolves.toBeDefined()
  })

  it('a type error, an unknown entity type, an unknown action', async () => {
    expect(await refusal('permit(principal, action, resource) when { context.hour == "14" };')).toMatch(/^mine\.cedar:1: /)
    expect(await refusal('permit(principal is Robot, action, resource);')).toMatch(/^mine\.cedar:1: .*Robot/)
    expect(await refusal('permit(principal, action == Action::"fly", resource);')).toMatch(/^mine\.cedar:1: .*fly/)
    expect(await refusal('permit(principal, action, resource) when { context.sourceAddress.isInRange(ip("10.0.0.0/33")) };')).toMatch(
      /^mine\.cedar:1: /,
    )
  })

  it('a template', async () => {
    expect(await refusal('permit(principal == ?principal, action, resource);')).toMatch(/^mine\.cedar:1: .*slot/)
  })

  it('an integer literal beyond 2^53', async () => {
    expect(await refusal(`${PERMIT}\npermit(principal, action, resource) when { context.hour < 9007199254740993 };`)).toMatch(
      /^mine\.cedar:2: .*2\^53/,
    )
  })

  it('an id that is taken, or not plain', async () => {
    expect(await refusal(`@id("a") ${PERMIT}\n@id("a") ${PERMIT}`)).toBe('mine.cedar:2: the id `a` is taken by mine.cedar:1')
    expect(await refusal(`@id("a b") ${PERMIT}`)).toContain('`@id`')
    await expect(loadPolicies({ files: [{ name: '../x.cedar', text: '' }] })).rejects.toMatchObject({ code: 'ERR_POLICY_INVALID' })
  })

  it('signs that a reader cannot see or that reorder what is read (CVE-2021-42574)', async () => {
    for (const sign of ['\u202e', '\u2066', '\u200b', '\ufeff'])
      expect(await refusal(`${PERMIT}\n// ${sign}\n`)).toMatch(/^mine\.cedar:2: .*invisible/)
  })

  it('an unknown annotation, so that a misspelt obligation does not become none', async () => {
    expect(await refusal(`${PERMIT}\n@filter_ouput("default=mask") ${PERMIT}`)).toBe(
      'mine.cedar:2: the annotation `@filter_ouput` is not known',
    )
    expect(await refusal(`@__proto__("x") ${PERMIT}`)).toContain('mine.cedar:1')
    expect(await refusal(`@limit ${PERMIT}`)).toContain('has no value')
    expect(await refusal('@limit("rows 1/1h") forbid(principal, action, resource);')).toContain('has no meaning on a forbid')
    expect(await refusal(`@refusal("purpose") ${PERMIT}`)).toContain('has no meaning on a permit')
    expect(await refusal('@refusal("other") forbid(principal, action, resource);')).toContain('only "purpose"')
  })

  it.each([
    ...[
      'EMAIL_ADDRESS',
      'EMAIL_ADDRESS=hide',
      'EMAIL=mask',
      'default=mask, default=block',
      'default=mask,',
      'default=mask; API_KEY=block',
    ].map((text) => ['filter_output', text]),
    ...[
      'rows',
      'rows 10',
      'rows 10/h',
      'rows 0/1h',
      'rows -1/1h',
      'rows 1.5/1h',
      'bytes 1/1h',
      'rows 1/1w',
      'rows 1/32d',
      'rows 1/1h, rows 2/60m',
      'rows 1/0h',
    ].map((text) => ['limit', text]),
    ...['0', '-1', '1e3', 'many', '1000001', '1.5'].map((text) => ['rows_per_call', text]),
    ...['none, pay', 'a*b', '**', 'pay, pay', 'pay,', 'hosted:', 'a b', 'hosted: x'].map((text) => ['tools', text]),
    ...['yes', 'check, check', 'Check'].map((text) => ['tool_arguments', text]),
    ...['never', 'label', 'label=', '=1', 'label=1,', 'always, label=1', 'label>1'].map((text) => ['review', text]),
    ...['all', 'images', 'image, image', 'image,', 'image=allow'].map((text) => ['unread_input', text]),
    ...['EMAIL', 'API_KEY, API_KEY', 'all=mask', 'API_KEY,'].map((text) => ['restore', text]),
    ...['dry-run', 'off', 'enforce'].map((text) => ['filter_mode', text]),
  ])('a malformed obligation @%s("%s")', async (name, text) => {
    expect(await refusal(`${PERMIT}\n@${name}("${text}") ${PERMIT}`)).toMatch(/^mine\.cedar:2: `@/)
  })

  it('what would exhaust the validator, which then answers nothing more until the process ends', async () => {
    const body = (text: string): string => `permit(principal, action, resource) when { ${text} };`
    const hostile = [
      body(`${'('.repeat(200)}true${')'.repeat(200)}`),
      body(`${'['.repeat(200)}${']'.repeat(200)} == []`),
      body(Array.from({ length: 5000 }, () => 'true').join('||')),
      body(`${'if true then true else '.repeat(400)}true`),
      body(`context${'.a'.repeat(1000)}`),
      body(`context has ${'a.'.repeat(1000)}a`),
      body(`"${'x'.repeat(20_000)}" == ""`),
      PERMIT.repeat(2001),
      ' '.repeat(300_000),
    ]
    for (const text of hostile) expect(await refusal(text)).toMatch(/^mine\.cedar:1: |^there are more/)
    expect((await loadCedar()).policyToJson(PERMIT).type).toBe('success')
    // The largest that is let through must be within what the validator stands.
    const chain = Array.from({ length: 35 }, () => 'true').join('||')
    await expect(load(body(`${`(${chain}||`.repeat(20)}true${')'.repeat(20)}`))).resolves.toBeDefined()
    expect((await loadCedar()).policyToJson(PERMIT).type).toBe('success')
  })

  it('an expression that it does not know, whatever the parser made of it', async () => {
    const { compileExpression } = await import('./compile-expression.ts')
    for (const odd of [
      { shiny: [] },
      { Slot: '?principal' },
      { Value: 1.5 },
      { Value: null },
      { Value: [1] },
      { Var: 'world' },
      {},
      { a: 1, b: 2 },
      'x',
      null,
      { ip: [] },
    ]) {
      expect(() => compileExpression(odd as never), JSON.stringify(odd)).toThrow(RedoubtError)
    }
  })
})

describe('loading', () => {
  it('names policies by @id, or else by file and position, and keeps their line', async () => {
    const engine = await load(`${PERMIT}\n\n@id("named")\n@description("Says why")\n${PERMIT} // end\n${PERMIT}`)
    expect(engine.policies.map(({ id, line, description }) => [id, line, description])).toEqual([
      ['mine.cedar#1', 1, null],
      ['mine.cedar#3', 6, null],
      ['named', 3, 'Says why'],
    ])
    expect(engine.decide(query()).policies).toEqual(['mine.cedar#1', 'mine.cedar#3', 'named'])
  })

  it('gives another digest to another policy set', async () => {
    const one = await load(PERMIT)
    expect((await load(PERMIT)).digest).toBe(one.digest)
    expect((await load('permit(principal, action, resource) when { true };')).digest).not.toBe(one.digest)
    expect(one.digest).toMatch(/^[0-9a-f]{64}$/)
  })

  it('does not change the engine at work when others are loaded, and refuses without a trace', async () => {
    const engine = await load(PERMIT)
    await expect(engine.replace([{ name: 'bad.cedar', text: 'permit(' }])).rejects.toMatchObject({ code: 'ERR_POLICY_INVALID' })
    const next = await engine.replace([])
    expect(engine.decide(query()).effect).toBe('allow')
    expect(next.decide(query()).effect).toBe('deny')
  })

  it('cuts at `;` only outside strings and comments', () => {
    const text = '@description("a;b//\\";") permit(principal, action, resource); // no; end\n forbid(principal, action, resource);\n'
    expect(splitPolicies('f', text).map(({ line, text: cut }) => [line, cut])).toEqual([
      [1, '@description("a;b//\\";") permit(principal, action, resource);'],
      [2, 'forbid(principal, action, resource);'],
    ])
  })

  it('refuses or loads arbitrary text, and throws nothing but ERR_POLICY_INVALID', async () => {
    const token = fc.constantFrom(
      'permit',
      'forbid',
      '(',
      ')',
      'principal',
      'action',
      'resource',
      ',',
      ';',
      'when',
      '{',
      '}',
      '==',
      '"',
      '\\',
      '//',
      '\n',
      '@id',
      '[',
      ']',
      '.',
      '1',
      ' ',
      'é',
      'if',
    )
    const text = fc.oneof(
      fc.string({ maxLength: 60 }),
      fc.array(token, { maxLength: 40 }).map((tokens) => tokens.join(' ')),
    )
    await fc.assert(
      fc.asyncProperty(text, fc.boolean(), async (random, behind) => {
        try {
          await load(behind ? `${PERMIT}${random}` : random)
        } catch (thrown) {
          expect(thrown).toMatchObject({ code: 'ERR_POLICY_INVALID' })
        }
      }),
      { numRuns: 200, seed: 23 },
    )
  })
})

describe('obligations', () => {
  const read = (annotations: Readonly<Record<string, string>>): ReturnType<typeof mergeObligations> =>
    readAnnotations(annotations, 'permit', FILTER_VOCABULARY).obligations

  it('are read from the annotations', () => {
    expect(
      read({
        filter_output: 'EMAIL_ADDRESS=mask, CREDIT_CARD=block,default = mask',
        limit: 'rows 100000/1h, requests 600/1m,tokens 5/30s',
        rows_per_call: '1000',
      }),
    ).toEqual({
      filterInput: {},
      filterOutput: { CREDIT_CARD: 'block', EMAIL_ADDRESS: 'mask', default: 'mask' },
      limits: [
        { unit: 'requests', amount: 600, windowMs: 60_000 },
        { unit: 'rows', amount: 100_000, windowMs: 3_600_000 },
        { unit: 'tokens', amount: 5, windowMs: 30_000 },
      ],
      maxRowsPerCall: 1000,
    })
  })

  it('against texts that steer a model are read, add up, and are refused where they mean nothing (C7)', () => {
    const asked = read({
      filter_input: 'API_KEY=block, PROMPT_INJECTION=log, default=mask',
      mark_untrusted: 'tool_result, document',
      canary: 'system_prompt',
    })
    expect(asked).toMatchObject({
      filterInput: { API_KEY: 'block', default: 'mask' },
      injection: 'log',
      markUntrusted: ['document', 'tool_result'],
      canary: true,
    })
    expect(Object.keys(asked.filterInput)).not.toContain('PROMPT_INJECTION')
    expect(read({ filter_input: 'PROMPT_INJECTION=allow' })).toEqual(read({}))
    // Of an entity that is none, a `default` does not speak.
    expect(mergeObligations([read({ filter_input: 'default=block' }), asked])).toMatchObject({ injection: 'log' })
    expect(mergeObligations([asked, read({ filter_input: 'PROMPT_INJECTION=block' }), read({ mark_untrusted: 'document' })])).toMatchObject(
      {
        injection: 'block',
        markUntrusted: ['document', 'tool_result'],
        canary: true,
      },
    )
    for (const [annotations, reason] of [
      [{ filter_input: 'PROMPT_INJECTION=mask' }, /holds no value to change; write block, log or allow/],
      [{ filter_input: 'PROMPT_INJECTION=log, PROMPT_INJECTION=block' }, /twice/],
      [{ filter_input: 'PROMPT_INJECTION=log,' }, /is a list of/],
      [{ filter_output: 'PROMPT_INJECTION=block' }, /name it in `@filter_input`/],
      [{ mark_untrusted: 'user' }, /document\|tool_result/],
      [{ mark_untrusted: 'document, document' }, /each named once/],
      [{ canary: 'answer' }, /knows only "system_prompt"/],
    ] as const)
      expect(() => read(annotations)).toThrow(reason)
    expect(() => readAnnotations({ canary: 'system_prompt' }, 'forbid', FILTER_VOCABULARY)).toThrow(/no meaning on a forbid/)
  })

  it('of all satisfied permits add up, and the strictest wins (C4, C6)', () => {
    const merged = mergeObligations([
      read({ filter_output: 'EMAIL_ADDRESS=allow, default=mask', limit: 'rows 100/1h, requests 5/1m', rows_per_call: '10' }),
      read({ filter_output: 'CREDIT_CARD=block', limit: 'rows 50/60m, rows 1000/1d' }),
      read({ filter_output: 'EMAIL_ADDRESS=mask, CREDIT_CARD=mask', filter_input: 'default=block', rows_per_call: '20' }),
    ])
    expect(merged).toEqual({
      filterInput: { default: 'block' },
      filterOutput: { CREDIT_CARD: 'block', EMAIL_ADDRESS: 'mask', default: 'mask' },
      limits: [
        { unit: 'requests', amount: 5, windowMs: 60_000 },
        { unit: 'rows', amount: 50, windowMs: 3_600_000 },
        { unit: 'rows', amount: 1000, windowMs: 86_400_000 },
      ],
      maxRowsPerCall: 10,
    })
  })

  it('an entity that one policy leaves to its default is not loosened by another that names it', () => {
    expect(mergeObligations([read({ filter_output: 'default=mask' }), read({ filter_output: 'API_KEY=allow' })]).filterOutput).toEqual({
      API_KEY: 'mask',
      default: 'mask',
    })
  })

  it('let pass unread only what every satisfied permit lets pass (C6)', () => {
    const all = [read({ unread_input: 'image, token_ids' }), read({ unread_input: 'token_ids,audio' })]
    expect(mergeObligations(all).unreadInput).toEqual(['token_ids'])
    expect(mergeObligations([...all, read({ rows_per_call: '1' })]).unreadInput).toBeUndefined()
    expect(read({ unread_input: 'token_ids, image' }).unreadInput).toEqual(['image', 'token_ids'])
  })

  it('name presets, where an entity named beside one and the stricter of two hold (C6)', () => {
    const presets = { pci: ['CREDIT_CARD', 'CVV'], all: ['CREDIT_CARD', 'CVV', 'EMAIL_ADDRESS'] }
    const filter = (filter_output: string): Readonly<Record<string, string>> =>
      readAnnotations({ filter_output }, 'permit', { entities: presets.all, presets, actions: {} }).obligations.filterOutput
    expect(filter('preset:pci=mask, CVV=allow, default=log')).toEqual({ CREDIT_CARD: 'mask', CVV: 'allow', default: 'log' })
    expect(filter('preset:all=partial, preset:pci=hash')).toEqual({ CREDIT_CARD: 'mask', CVV: 'mask', EMAIL_ADDRESS: 'partial' })
    for (const text of ['preset:none=mask', 'preset:constructor=mask', 'preset:pci=mask, preset:pci=block', 'preset:=mask'])
      expect(() => filter(text)).toThrow(/^`@filter_output`/)
    // What a preset of one permit masks is not let go by another that names the entity.
    const both = mergeObligations(
      ['preset:pci=mask', 'CREDIT_CARD=allow'].map(
        (text) => readAnnotations({ filter_output: text }, 'permit', { entities: presets.all, presets, actions: {} }).obligations,
      ),
    )
    expect(both.filterOutput).toEqual({ CREDIT_CARD: 'mask', CVV: 'mask' })
  })

  it('turn tokens back, and leave filters idle, only where every satisfied permit says so (C6)', () => {
    const all = [read({ restore: 'all', filter_mode: 'dry_run' }), read({ restore: 'US_SSN, API_KEY', filter_mode: 'dry_run' })]
    expect(mergeObligations(all)).toMatchObject({ restore: ['API_KEY', 'US_SSN'], filterMode: 'dry_run' })
    expect(mergeObligations([...all, read({ restore: 'API_KEY' })])).toMatchObject({ restore: ['API_KEY'] })
    const none = mergeObligations([...all, read({ rows_per_call: '1' })])
    expect([none.restore, none.filterMode]).toEqual([undefined, undefined])
  })

  it('allow a tool only where every satisfied permit does, and check arguments where one asks for it (C6)', () => {
    expect(read({ tools: 'search_*, pay, hosted:web_search' }).tools).toEqual([['hosted:web_search', 'pay', 'search_*']])
    expect(read({ tools: 'none' }).tools).toEqual([[]])
    const merged = mergeObligations([read({ tools: 'pay, hosted:web_search' }), read({ tool_arguments: 'check' })])
    expect(merged).toMatchObject({ tools: [['*'], ['hosted:web_search', 'pay']], toolArguments: 'check' })
    expect([isToolAllowed(merged, 'pay', false), isToolAllowed(merged, 'web_search', true), isToolAllowed(merged, 'x', false)]).toEqual([
      true,
      false,
      false,
    ])
    expect(mergeObligations([read({ rows_per_call: '1' }), read({ rows_per_call: '2' })])).not.toHaveProperty('tools')
  })

  it('have a person look at what any satisfied permit wants looked at (D10)', () => {
    expect(read({ review: ' label = 1, grade=refused' }).review).toEqual([
      { output: 'label', value: '1' },
      { output: 'grade', value: 'refused' },
    ])
    const some = [read({ review: 'label=1' }), read({ rows_per_call: '1' }), read({ review: 'grade=D, label=1' })]
    expect(mergeObligations(some).review).toEqual([
      { output: 'grade', value: 'D' },
      { output: 'label', value: '1' },
    ])
    expect(mergeObligations([...some, read({ review: 'always' })]).review).toBe('always')
    expect(mergeObligations([read({ rows_per_call: '1' }), read({ rows_per_call: '2' })]).review).toBeUndefined()
  })

  it('merge the same in every order and grouping', () => {
    const one = fc.record(
      {
        filter_output: fc
          .uniqueArray(fc.tuple(fc.constantFrom('API_KEY', 'US_SSN', 'default'), fc.constantFrom('allow', 'log', 'mask', 'block')), {
            minLength: 1,
            selector: ([name]) => name,
          })
          .map((pairs) => pairs.map((pair) => pair.join('=')).join(',')),
        limit: fc
          .tuple(fc.constantFrom('rows', 'tokens'), fc.integer({ min: 1, max: 5 }), fc.constantFrom('1h', '60m', '1d'))
          .map(([unit, amount, window]) => `${unit} ${amount}/${window}`),
        rows_per_call: fc.integer({ min: 1, max: 9 }).map(String),
        restore: fc.subarray(['all', 'API_KEY', 'US_SSN'], { minLength: 1 }).map((names) => names.join(',')),
        filter_mode: fc.constant('dry_run'),
        tools: fc.subarray(['pay', 'search_*', '*', 'hosted:mcp'], { minLength: 1 }).map((names) => names.join(',')),
        tool_arguments: fc.constant('check'),
        review: fc.constantFrom('always', 'label=1', 'label=0, grade=D', 'grade=D'),
        unread_input: fc.subarray(['image', 'audio', 'file'], { minLength: 1 }).map((kinds) => kinds.join(',')),
      },
      { requiredKeys: [] },
    )
    fc.assert(
      fc.property(fc.array(one, { minLength: 1, maxLength: 4 }), (all) => {
        const parts = all.map((annotations) => read(annotations as Readonly<Record<string, string>>))
        const merged = mergeObligations(parts)
        expect(mergeObligations(parts.toReversed())).toEqual(merged)
        const [first, ...rest] = parts
        if (first && rest.length > 0) expect(mergeObligations([first, mergeObligations(rest)])).toEqual(merged)
      }),
      { numRuns: 300, seed: 29 },
    )
  })

  it('reach the decision from each satisfied permit', async () => {
    const engine = await load(
      '@id("a") @limit("rows 100/1h") permit(principal, action, resource); @id("b") @limit("rows 50/1h") @filter_output("default=block") permit(principal, action, resource) when { context.risk > 10 };',
    )
    expect(engine.decide(query()).obligations).toMatchObject({ limits: [{ amount: 100 }], filterOutput: {} })
    expect(engine.decide(query({ context: { risk: 11 } })).obligations).toMatchObject({
      limits: [{ amount: 50 }],
      filterOutput: { default: 'block' },
    })
  })
})

describe('the policy folder', () => {
  const folder = mkdtempSync(join(tmpdir(), 'redoubt-policy-'))
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  it('is read in the order of names, and only its .cedar files', () => {
    const path = join(folder, 'good')
    mkdirSync(path)
    for (const name of ['b.cedar', 'a.cedar', 'notes.txt', 'c.cedar.bak']) writeFileSync(join(path, name), `// ${name}`)
    expect(readPolicyFolder(path)).toEqual([
      { name: 'a.cedar', text: '// a.cedar' },
      { name: 'b.cedar', text: '// b.cedar' },
    ])
  })

  it('is refused if it is missing, or a file is too large, no file, not UTF-8 or a dangling link: it might be a forbid', () => {
    const refused = (name: string, make: (path: string) => void): void => {
      const path = join(folder, name)
      mkdirSync(path)
      make(join(path, 'x.cedar'))
      expect(() => readPolicyFolder(path), name).toThrow(expect.objectContaining({ code: 'ERR_POLICY_INVALID' }))
    }
    expect(() => readPolicyFolder(join(folder, 'missing'))).toThrow(expect.objectContaining({ code: 'ERR_POLICY_INVALID' }))
    refused('large', (path) => writeFileSync(path, ' '.repeat(256 * 1024 + 1)))
    refused('directory', (path) => mkdirSync(path))
    refused('binary', (path) => writeFileSync(path, Buffer.from([0xff, 0xfe])))
    refused('dangling', (path) => symlinkSync(join(folder, 'nowhere'), path))
  })
})
