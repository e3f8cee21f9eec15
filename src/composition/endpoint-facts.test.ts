import type { UpstreamRoute } from '#gateway/serving'
import { expect, it } from 'vitest'
import { endpointFacts } from './language-models.ts'

const route = (agreedUntil: number | null): UpstreamRoute =>
  ({
    model: 'assistant',
    upstream: 'vendor',
    vendor: 'Example Inc.',
    region: 'eu-west',
    sandbox: false,
    sensitivity: 'confidential',
    purposes: ['support'],
    agreedUntil,
  }) as Partial<UpstreamRoute> as UpstreamRoute

it('names the upstream, who runs it and where, and says of an agreement whether it is in force at that time (C9)', () => {
  const clock = { at: 1_000, now: (): number => clock.at }
  const facts = endpointFacts('production', clock)
  const agreed = route(2_000)
  const named = { upstream: 'vendor', vendor: 'Example Inc.', region: 'eu-west', sensitivity: 2, purposes: ['support'], sandbox: false }
  const before = facts(agreed)
  expect(before.attributes).toEqual({ ...named, agreement: true })
  clock.at = 1_999
  expect(facts(agreed)).toBe(before)
  clock.at = 2_000
  expect(facts(agreed).attributes).toEqual({ ...named, agreement: false })
  expect(facts(route(null)).attributes['agreement']).toBe(false)
})
