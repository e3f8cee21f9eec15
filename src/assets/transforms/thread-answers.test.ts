import { describe, expect, it } from 'vitest'
import type { AuditEvent } from '#foundation/core'
import { memoryKeys } from '../../../test/evaluation/memory-datasets.ts'
import { answersFor } from './thread-answers.ts'
import { ADA } from './transforms.fixtures.ts'

const USE = { principal: ADA, purpose: 'care', resource: { type: 'Dataset', id: 'visits' } }

describe('a thread that asks for what it was not given (A9, A7)', () => {
  const asked: string[] = []
  const events: AuditEvent[] = []
  const keys = memoryKeys((use) => asked.push(use))
  const audit = {
    async record(event: AuditEvent) {
      events.push(event)
      return { index: 0, leafHash: '' }
    },
  }
  const place = async () => ({ version: 1, createdAt: 0 })
  const answer = answersFor({ keys, audit }, [{ version: { id: 'given' }, use: USE }], { id: 'made', use: USE, place }, 'target')
  const keyOf = async (resource: string) => (await keys.generateDataKey({ keyClass: 'dataset', name: 'any' }, resource, USE)).wrapped

  it('gets keys of the versions that it was given, and of the one that it makes', async () => {
    await expect(answer({ ask: 'unwrap', wrapped: await keyOf('dataset/given/group-0'), use: USE })).resolves.toBeDefined()
    await expect(answer({ ask: 'generate', resource: 'dataset/made/group-0' })).resolves.toBeDefined()
    await expect(answer({ ask: 'place' })).resolves.toEqual({ version: 1, createdAt: 0 })
  })

  it.each(['dataset/other/group-0', 'dataset/given-too/group-0', 'dataset/made/group-0', 'model/given/file', 'dataset/given'])(
    'gets no key of %s',
    async (resource) => {
      const wrapped = await keyOf(resource)
      const before = asked.length
      await expect(answer({ ask: 'unwrap', wrapped, use: USE })).rejects.toMatchObject({ code: 'ERR_INTERNAL' })
      expect(asked.length).toBe(before)
    },
  )

  it.each(['dataset/given/group-0', 'dataset/made-too/group-0', 'model/made/file', ''])('makes no key of %s', async (resource) => {
    const before = asked.length
    await expect(answer({ ask: 'generate', resource })).rejects.toMatchObject({ code: 'ERR_INTERNAL' })
    expect(asked.length).toBe(before)
  })

  it('puts nothing on record but that it reads', async () => {
    const event = { type: 'data.erase', actor: ADA, action: 'erase', resource: USE.resource, outcome: 'success' } as const
    await expect(answer({ ask: 'record', event })).rejects.toMatchObject({ code: 'ERR_INTERNAL' })
    expect(events).toEqual([])
    await answer({ ask: 'record', event: { ...event, type: 'data.read' } })
    expect(events.map(({ type }) => type)).toEqual(['data.read'])
  })
})
