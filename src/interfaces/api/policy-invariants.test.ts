import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeEach, describe, expect, it } from 'vitest'
import { RedoubtError } from '#foundation/core'
import { MemoryFolder } from '#foundation/storage'
import { proveWithin } from './held-invariants.ts'
import { PolicyStore } from './policy-store.ts'

const TIMEOUT_MS = 120_000
/** The whole of the bundled statements is decided in a minute at most on a slow machine; a change of them in seconds. */
const SLOW = { timeout: TIMEOUT_MS }
const folder = mkdtempSync(join(tmpdir(), 'redoubt-invariants-'))
const options = { shadowRate: 0, onMismatch: () => undefined }
const invariants = (name: string, lines: string): void => writeFileSync(join(folder, `${name}.invariants.yaml`), `invariants:\n${lines}\n`)
/** With few statements in place of the bundled ones, which take their time. */
const open = (): Promise<PolicyStore> =>
  PolicyStore.open({ ...options, folder: new MemoryFolder(), operatorPath: folder, prove: proveWithin(TIMEOUT_MS) })
beforeEach(() => {
  for (const name of readdirSync(folder)) rmSync(join(folder, name))
  invariants(
    'defaults',
    '  - { id: always, statement: an auditor reads the log, expect: always, actions: [readAudit], onlyRoles: [auditor], when: context.risk <= 80 && context.mfaLevel >= 2 }',
  )
  invariants(
    'exceptions',
    '  - { id: risk, statement: nobody destroys keys at a high risk, actions: [destroyKey], when: context.risk > 80 }',
  )
  invariants(
    'reviews',
    '  - { id: no-program-reviews, statement: no program reviews at a high risk, principals: [ServiceAccount], actions: [review], when: context.risk > 80 }',
  )
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const problem = (work: Promise<unknown>): Promise<RedoubtError> =>
  work.then(
    () => Promise.reject(new Error('nothing was refused')),
    (thrown: unknown) => (thrown instanceof RedoubtError ? thrown : Promise.reject(thrown)),
  )

describe('a change of policies that breaks an invariant (B1)', () => {
  it('is not activated, and the answer holds a request for which it breaks', SLOW, async () => {
    const store = await PolicyStore.open({ ...options, folder: new MemoryFolder(), prove: proveWithin(TIMEOUT_MS) })
    const { digest } = store.engine
    const bundled = store.list().find(({ name }) => name === 'exceptions.cedar')?.text ?? ''
    const weaker = bundled.replace(/@id\("break-glass-leaves-nothing-behind"\)[^;]*;/, '')
    expect(weaker.length).toBeLessThan(bundled.length)
    const error = await problem(store.put('exceptions', weaker))
    expect(error).toMatchObject({ code: 'ERR_POLICY_INVARIANT' })
    expect(error.evidence['invariant']).toMatch(/^break-glass-/)
    const { facts } = JSON.parse(String(error.evidence['counterexample'])) as { facts: Record<string, unknown> }
    expect(facts['context.breakGlass']).toBe(true)
    expect(store.engine.digest).toBe(digest)
    expect(store.list().find(({ name }) => name === 'exceptions.cedar')?.text).toBe(bundled)
  })

  it('is not activated when it refuses what must always be allowed; what breaks nothing is, and is taken back', SLOW, async () => {
    const store = await open()
    const shut = '@id("shut") forbid (principal, action == Action::"readAudit", resource) when { context.hour == 3 };'
    expect((await problem(store.put('shut', shut))).evidence).toMatchObject({ invariant: 'always', decidedBy: 'shut' })
    const closed = '@id("closed") forbid (principal, action == Action::"invoke", resource) when { context.hour == 3 };'
    expect((await store.put('closed', closed)).invariants).toBe(3)
    expect((await store.remove('closed')).invariants).toBe(3)
  })

  it('is held to the statements of the operator’s folder too, also when it only takes something away', SLOW, async () => {
    invariants(
      'night',
      '  - { id: no-night-rotation, statement: nobody rotates keys at three, actions: [rotateKey], resources: [System], when: context.hour == 3 }',
    )
    const night = '@id("night") forbid (principal, action == Action::"rotateKey", resource) when { context.hour == 3 };'
    writeFileSync(join(folder, 'night.cedar'), night)
    const held = await open()
    await held.demandInvariants()
    rmSync(join(folder, 'night.cedar'))
    expect(await problem(held.reload())).toMatchObject({ code: 'ERR_POLICY_INVARIANT', evidence: { invariant: 'no-night-rotation' } })
    // A start reads what lies there, and is told.
    expect(await problem((await open()).demandInvariants())).toMatchObject({ code: 'ERR_POLICY_INVARIANT' })
  })

  it('is refused when it is not decided in time, and others are put in force after it', SLOW, async () => {
    const hurried = await PolicyStore.open({
      ...options,
      folder: new MemoryFolder(),
      operatorPath: folder,
      prove: (files, invariants, proven) =>
        proveWithin(files.some(({ name }) => name === 'slow.cedar') ? 1 : TIMEOUT_MS)(files, invariants, proven),
    })
    const { digest } = hurried.engine
    const text = 'forbid (principal, action == Action::"invoke", resource) when { context.hour == 4 };'
    expect((await problem(hurried.put('slow', text))).code).toBe('ERR_POLICY_PROOF_TIME')
    expect(hurried.engine.digest).toBe(digest)
    await hurried.put('quick', text)
    expect(hurried.engine.digest).not.toBe(digest)
  })
})
