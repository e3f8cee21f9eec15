import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { type DecisionQuery, ORDINARY_REQUEST } from '#foundation/core'
import { MemoryFolder, replaceFile } from '#foundation/storage'
import { PolicyStore } from './policy-store.ts'

const FORBID = 'forbid (principal, action, resource) when { context.risk > 99 };\n'
let folder: MemoryFolder
let store: PolicyStore
beforeEach(async () => {
  folder = new MemoryFolder()
  store = await PolicyStore.open({ folder, shadowRate: 0, onMismatch: () => undefined })
})

const forbid = (id: string, model: string): string =>
  `@id("${id}") forbid (principal, action == Action::"invoke", resource == Model::"${model}");`
const ask = (id: string): DecisionQuery => ({
  principal: {
    type: 'ServiceAccount',
    id: 'app',
    attributes: { purpose: 'p', legalBasis: 'contract' },
    parents: [{ type: 'Role', id: 'application' }],
  },
  action: 'invoke',
  resource: {
    type: 'Model',
    id,
    attributes: { sensitivity: 0, purposes: ['p'], signed: true, quarantined: false, foreign: false },
    parents: [],
  },
  context: {
    now: 0,
    hour: 0,
    weekday: 0,
    purpose: 'p',
    legalBasis: 'contract',
    sourceAddress: '127.0.0.1',
    profile: 'production',
    mfaLevel: 1,
    risk: 0,
    ...ORDINARY_REQUEST,
  },
})
const effect = (model: string, of = store): string => of.decide(ask(model)).effect

describe('PolicyStore', () => {
  it('puts a policy in force for the next decision, and takes it back', async () => {
    expect(effect('one')).toBe('allow')
    await store.put('closed', forbid('closed', 'one'))
    expect([effect('one'), effect('two')]).toEqual(['deny', 'allow'])
    await store.remove('closed')
    expect(effect('one')).toBe('allow')
  })

  it('finds what was put again when it is opened again', async () => {
    await store.put('closed', forbid('closed', 'one'))
    const digest = store.engine.digest
    const again = await PolicyStore.open({ folder, shadowRate: 0, onMismatch: () => undefined })
    expect([again.engine.digest, effect('one', again)]).toEqual([digest, 'deny'])
  })

  it('keeps nothing of a change that does not validate: neither file nor effect', async () => {
    await store.put('closed', forbid('closed', 'one'))
    const digest = store.engine.digest
    for (const text of [
      'permit (',
      'permit (principal, action == Action::"fly", resource);',
      '@filter_output("NO_SUCH=mask") permit (principal, action, resource);',
      forbid('application-view', 'one'),
    ])
      await expect(store.put('closed', text)).rejects.toMatchObject({ code: 'ERR_POLICY_INVALID' })
    expect([store.engine.digest, effect('one')]).toEqual([digest, 'deny'])
    const again = await PolicyStore.open({ folder, shadowRate: 0, onMismatch: () => undefined })
    expect(again.engine.digest).toBe(digest)
  })

  it('keeps both of two changes that are made at a time', async () => {
    await Promise.all([store.put('first', forbid('first', 'one')), store.put('second', forbid('second', 'two'))])
    expect([effect('one'), effect('two'), effect('three')]).toEqual(['deny', 'deny', 'allow'])
    const again = await PolicyStore.open({ folder, shadowRate: 0, onMismatch: () => undefined })
    expect(again.engine.digest).toBe(store.engine.digest)
  })

  it('goes on after a change that failed', async () => {
    const failed = store.put('bad', 'permit (')
    const good = store.put('good', forbid('good', 'one'))
    await expect(failed).rejects.toMatchObject({ code: 'ERR_POLICY_INVALID' })
    await good
    expect(effect('one')).toBe('deny')
  })

  it('is bounded in size and takes plain names alone', async () => {
    await expect(store.put('large', `// ${'x'.repeat(256 * 1024)}`)).rejects.toMatchObject({ code: 'ERR_INPUT_TOO_LARGE' })
    for (const name of ['../up', 'a/b', '', 'UP', 'x'.repeat(64)]) {
      await expect(store.put(name, '')).rejects.toMatchObject({ code: 'ERR_INPUT_INVALID' })
      await expect(store.remove(name)).rejects.toMatchObject({ code: 'ERR_INPUT_INVALID' })
    }
    await expect(store.remove('absent')).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' })
  })

  it('does not start with policies that do not validate', async () => {
    const operatorPath = mkdtempSync(join(tmpdir(), 'redoubt-policies-'))
    writeFileSync(join(operatorPath, 'bad.cedar'), 'permit (')
    await expect(PolicyStore.open({ folder, operatorPath, shadowRate: 0, onMismatch: () => undefined })).rejects.toMatchObject({
      code: 'ERR_POLICY_INVALID',
    })
    rmSync(operatorPath, { recursive: true })
  })

  it('is bounded in number: policies are bounded in number, and one of them can still be replaced and removed', async () => {
    const folder = new MemoryFolder()
    for (let i = 0; i < 256; i++) replaceFile(folder, `p${i}.cedar`, Buffer.from(FORBID))
    const store = await PolicyStore.open({ folder, shadowRate: 0, onMismatch: () => undefined })
    await expect(store.put('one-more', FORBID)).rejects.toMatchObject({ code: 'ERR_CONFLICT' })
    await store.put('p7', FORBID)
    await store.remove('p8')
    await store.put('one-more', FORBID)
  })
})
