import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
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

  it('knows the names of the tagger, and refuses what nothing finds (C6)', async () => {
    const permit = (filter: string): string => `@filter_output("${filter}") permit (principal, action == Action::"invoke", resource);`
    await store.put('names', permit('PERSON=mask, LOCATION=block, ORGANISATION=mask'))
    expect(store.decide(ask('one')).obligations.filterOutput).toMatchObject({ PERSON: 'mask', LOCATION: 'block' })
    await expect(store.put('nicknames', permit('NICKNAME=mask'))).rejects.toMatchObject({ code: 'ERR_POLICY_INVALID' })
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

describe('a change that was approved (B1, B8)', () => {
  const approved = () => ({ policySet: store.engine.digest, folder: store.folderDigest() })
  let path: string
  beforeEach(async () => {
    path = mkdtempSync(join(tmpdir(), 'redoubt-approved-'))
    writeFileSync(join(path, 'mine.cedar'), FORBID)
    store = await PolicyStore.open({ folder, operatorPath: path, shadowRate: 0, onMismatch: () => undefined })
  })
  afterEach(() => rmSync(path, { recursive: true, force: true }))

  it('is of the folder as it was looked at: policies, tables and statements', async () => {
    const files = {
      'mine.cedar': forbid('closed', 'one'),
      'other.cedar': FORBID,
      'mine.policy-test.yaml': 'cases: []\n',
      'mine.invariants.yaml': 'invariants: []\n',
    }
    for (const [name, text] of Object.entries(files)) {
      const seen = approved()
      expect(store.folderDigest()).toBe(seen.folder)
      writeFileSync(join(path, name), text)
      await expect(store.reload(seen)).rejects.toMatchObject({ code: 'ERR_APPROVAL_DIGEST' })
    }
    expect(effect('one')).toBe('allow')
    rmSync(join(path, 'mine.policy-test.yaml'))
    rmSync(join(path, 'mine.invariants.yaml'))
    await store.reload(approved())
    expect(effect('one')).toBe('deny')
  })

  it('is of what is read when its turn comes, not of what was there when it was asked for', async () => {
    const seen = approved()
    // Another change is under way; while this one waits, the folder is exchanged.
    const first = store.put('other', FORBID)
    const waiting = store.reload({ folder: seen.folder })
    writeFileSync(join(path, 'mine.cedar'), forbid('closed', 'one'))
    await first
    await expect(waiting).rejects.toMatchObject({ code: 'ERR_APPROVAL_DIGEST' })
    expect(effect('one')).toBe('allow')
    // A folder that cannot be read is no folder that can be approved.
    rmSync(path, { recursive: true })
    expect(store.folderDigest()).toBeNull()
    await expect(store.reload({ folder: null })).rejects.toMatchObject({ code: 'ERR_POLICY_INVALID' })
  })

  it('is of the policies as they were: another change in between ends it', async () => {
    const seen = { policySet: store.engine.digest }
    const other = store.put('other', forbid('closed', 'two'))
    const late = [store.put('mine', FORBID, null, seen), store.remove('other', seen), store.reload(seen)]
    await other
    for (const change of late) await expect(change).rejects.toMatchObject({ code: 'ERR_APPROVAL_DIGEST' })
    expect(effect('two')).toBe('deny')
  })
})
