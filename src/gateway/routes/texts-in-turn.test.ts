import { expect, it } from 'vitest'
import { compilePlan, createRedactor } from '#gateway/filters'
import { streamedCrossings } from '#gateway/pipeline'
import { TextChannel } from './chat-completions/text-channel.ts'
import { TextsInTurn } from './texts-in-turn.ts'

const PLAN = compilePlan({ default: 'mask' })

it('keeps a bounded number of events waiting behind a text whose end is open, and refuses the stream beyond (C6)', () => {
  const turn = new TextsInTurn<string>(streamedCrossings(PLAN, { findings: new Map(), actions: new Map() }), () => false)
  const channel = new TextChannel(() => createRedactor(PLAN), false, true)
  turn.push(channel, 'charge 4111 1111', (text) => text)
  expect(turn.end(channel, () => channel.flush())).toEqual([])
  let waiting = 0
  const events = (): void => {
    for (; waiting < 100_000; waiting++) turn.behind(() => 'an empty block')
  }
  expect(events).toThrow(expect.objectContaining({ code: 'ERR_UPSTREAM_PROTOCOL' }))
  expect(waiting).toBeLessThan(2_000)
  // What waited is not lost with it.
  expect(turn.drain()).toEqual(['4111 1111', ...Array.from({ length: waiting }, () => 'an empty block')])
})
