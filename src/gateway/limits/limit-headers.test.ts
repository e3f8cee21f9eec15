import { describe, expect, it } from 'vitest'
import { limitHeaders } from './limit-headers.ts'
import type { LimitState } from './limits.ts'

const minute: LimitState = { unit: 'requests', limit: 100, remaining: 40, resetMs: 1500, windowMs: 60_000 }
const day: LimitState = { unit: 'requests', limit: 20, remaining: 2, resetMs: 3_780_000, windowMs: 86_400_000 }
const tokens: LimitState = { unit: 'tokens', limit: 1000, remaining: 0, resetMs: 120, windowMs: 1500 }

describe('limit headers (C4)', () => {
  it('shows the tightest rule of each unit as OpenAI does', () => {
    expect(limitHeaders([minute, day, tokens])).toMatchObject({
      'x-ratelimit-limit-requests': '20',
      'x-ratelimit-remaining-requests': '2',
      'x-ratelimit-reset-requests': '1h3m0s',
      'x-ratelimit-limit-tokens': '1000',
      'x-ratelimit-remaining-tokens': '0',
      'x-ratelimit-reset-tokens': '120ms',
    })
  })

  it('shows every rule as the IETF draft does', () => {
    expect(limitHeaders([minute, tokens])).toMatchObject({
      'ratelimit-policy': '"requests-60s";q=100;w=60, "tokens-1500ms";q=1000;w=2',
      ratelimit: '"requests-60s";r=40;t=2, "tokens-1500ms";r=0;t=1',
    })
  })

  it('tells when to come back, and not to try by itself when that is long', () => {
    expect(limitHeaders([minute], { retryAfterMs: 1200 })).toMatchObject({ 'retry-after': '2', 'retry-after-ms': '1200' })
    expect(limitHeaders([minute], { retryAfterMs: 60_000 })['x-should-retry']).toBeUndefined()
    expect(limitHeaders([day], { retryAfterMs: 60_001 })['x-should-retry']).toBe('false')
  })

  it('says nothing without rules', () => {
    expect(limitHeaders([])).toEqual({})
  })
})
