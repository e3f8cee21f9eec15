import { describe, expect, it } from 'vitest'
import type { AuditEvent, AuditSink } from '#foundation/core'
import { keepingOut } from './keep-out.ts'

const CARD = '4111111111111111'
const EVENT: AuditEvent = {
  type: 'inference.refusal',
  actor: { type: 'ServiceAccount', id: 'app' },
  action: 'invoke',
  resource: { type: 'Endpoint', id: `card ${CARD}` },
  outcome: 'refused',
  requestId: 'req_1',
  purpose: `for ${CARD}`,
  details: {
    param: `tools[0].4111-1111-1111-1111`,
    [CARD]: 1,
    list: [Number(CARD), { deep: `a ${CARD} b` }, 17, null, true],
    cvv: 'CVV 123',
    inputDigest: 'a'.repeat(40) + CARD.slice(0, 8) + CARD.slice(0, 16),
  },
  personal: [{ subject: CARD, fields: { answer: `4111 1111 1111 1111`, number: Number(CARD) } }],
}

function recorded(presets: Parameters<typeof keepingOut>[1]): { readonly sink: AuditSink; readonly events: AuditEvent[] } {
  const events: AuditEvent[] = []
  const log: AuditSink = { record: async (event) => ({ index: events.push(event) - 1, leafHash: '' }) }
  return { sink: keepingOut(log, presets), events }
}

describe('what is kept out of the log (C6)', () => {
  it('is in no member of an event, in words, as a number or as a name, nor in what is to be sealed', async () => {
    const { sink, events } = recorded(['pci'])
    await sink.record(EVENT)
    const { personal, details, ...rest } = events[0]!
    const text = JSON.stringify([{ ...details, inputDigest: '' }, rest, personal?.map(({ fields }) => fields)])
    expect(text.replaceAll(/[^0-9]/g, '')).not.toContain(CARD)
    expect(text).not.toContain('CVV 123')
    expect(details).toMatchObject({ list: ['[CREDIT_CARD]', { deep: 'a [CREDIT_CARD] b' }, 17, null, true], '[CREDIT_CARD]': 1 })
    // What is not text of a caller stays what it was.
    expect(details?.['inputDigest']).toBe(EVENT.details?.['inputDigest'])
    expect(rest).toMatchObject({ type: EVENT.type, requestId: 'req_1', actor: EVENT.actor })
    expect(personal?.[0]?.subject).toBe(CARD)
  })

  it('is nothing unless it is asked for', async () => {
    const { sink, events } = recorded([])
    await sink.record(EVENT)
    expect(events).toEqual([EVENT])
  })

  it('what is too deep is left out, and nothing is recorded when the search fails (fail closed)', async () => {
    const { sink, events } = recorded(['pci'])
    let deep: object = { card: CARD }
    for (let i = 0; i < 100; i++) deep = { deep }
    await sink.record({ ...EVENT, details: deep as never })
    expect(JSON.stringify(events[0]?.details)).not.toContain(CARD)
    const unreadable = { get text(): string { throw new Error('no') } } // prettier-ignore
    await expect(sink.record({ ...EVENT, details: unreadable })).rejects.toThrow()
    expect(events).toHaveLength(1)
  })
})
