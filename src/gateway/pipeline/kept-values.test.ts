import { describe, expect, it } from 'vitest'
import { type Decider, type FilterAction, type Obligations, RedoubtError } from '#foundation/core'
import type { CallVault } from '#gateway/filters'
import { infer } from './pipeline.ts'
import { principal, testHouse, type TestHouse } from './pipeline.fixtures.ts'
import { type WatchedReply } from './watched.fixtures.ts'
import { type Wish } from './wish-surface.fixtures.ts'

const TOKEN = /\[\[EMAIL_ADDRESS_[a-t]{24}\]\]/
const TEXT = 'write to jane@example.com'

/** A vault of two lines: what it is asked, in order, and what it does. */
class NotedVault {
  readonly notes: string[] = []
  readonly values = new Map<string, string>()
  down = false
  commits = 0
  failAtCommit = 0

  open = async (call: { readonly subject: string | null }): Promise<CallVault> => {
    this.notes.push(`open ${call.subject ?? 'nobody'}`)
    if (this.down) throw new RedoubtError('ERR_STORAGE_IO')
    let pending = 0
    let answering = false
    const known = new Map<string, string>()
    return {
      mint: (entity, value) => {
        const token = `[[${entity}_bcdfghjklmnpqrstbcdfghj${'bcdfghjklmnpqrst'[this.values.size]!}]]`
        this.values.set(token, value)
        if (!answering) known.set(token, value)
        pending++
        return token
      },
      commit: () => {
        if (pending === 0) return
        if (++this.commits === this.failAtCommit) throw new RedoubtError('ERR_STORAGE_IO')
        pending = 0
        this.notes.push('commit')
      },
      beginAnswer: () => void (answering = true),
      recall: async (texts) => {
        this.notes.push('recall')
        for (const [token, value] of this.values) if (texts.some((text) => text.includes(token))) known.set(token, value)
      },
      valueOf: (token) => (known.has(token) ? { entity: 'EMAIL_ADDRESS', value: known.get(token)! } : null),
    }
  }
}

function decider(change: Partial<Obligations>): Decider {
  const obligations: Obligations = { filterInput: {}, filterOutput: {}, limits: [], maxRowsPerCall: null, ...change }
  return { decide: () => ({ effect: 'allow', policies: ['p'], errors: [], code: null, obligations, policySet: 'test' }) }
}

interface Stage {
  readonly vault: NotedVault
  readonly test: TestHouse
  readonly ask: (wish: Wish) => Promise<WatchedReply>
}

async function stage(change: Partial<Obligations>): Promise<Stage> {
  const vault = new NotedVault()
  const test = await testHouse({ decider: decider(change), vault, principal: principal() })
  return {
    vault,
    test,
    ask: async (wish) => {
      const { received, reply } = test.request(wish)
      await infer(test.house, received)
      return reply
    },
  }
}
const TOKENISE: Readonly<Record<string, FilterAction>> = { EMAIL_ADDRESS: 'tokenise' }

describe('values that a call keeps (C6)', () => {
  it('reach the model as tokens, durable before it is asked, and come back to who may have them', async () => {
    const { vault, test, ask } = await stage({ filterInput: TOKENISE, restore: ['EMAIL_ADDRESS'] })
    const reply = await ask({ text: TEXT, echo: true, subject: 'jane' })
    expect(test.asked[0]).toMatch(TOKEN)
    expect(reply.sent?.body).toBe(JSON.stringify({ answer: TEXT }))
    expect(vault.notes).toEqual(['open jane', 'commit', 'recall'])
    expect(test.trace.indexOf('served')).toBeGreaterThan(test.trace.indexOf('input filtered'))
    expect(JSON.stringify(test.log.of('inference.admission'))).not.toContain('jane@')
  })

  it('come back in a stream however the tokens are cut', async () => {
    const { ask } = await stage({ filterInput: TOKENISE, restore: ['all'] })
    expect((await ask({ text: TEXT, echo: true, stream: true })).written).toBe(TEXT)
  })

  it('stay tokens for who may not have them, or only others', async () => {
    for (const change of [{}, { restore: ['PERSON'] }]) {
      const { ask } = await stage({ filterInput: TOKENISE, ...change })
      expect((await ask({ text: TEXT, echo: true })).sent?.body).toMatch(TOKEN)
      expect((await ask({ text: TEXT, echo: true, stream: true })).written).toMatch(TOKEN)
    }
  })

  it('come back in a later call that is asked with its tokens', async () => {
    const { vault, ask, test } = await stage({ filterInput: TOKENISE, restore: ['EMAIL_ADDRESS'] })
    await ask({ text: TEXT })
    const [token] = vault.values.keys()
    const reply = await ask({ text: `again ${token!}`, echo: true })
    expect(test.asked[1]).toBe(`again ${token!}`)
    expect(reply.sent?.body).toBe(JSON.stringify({ answer: 'again jane@example.com' }))
  })

  it('the output filter does not mask what is turned back, and masks what the model says by itself', async () => {
    const { ask } = await stage({ filterInput: TOKENISE, filterOutput: { default: 'mask' }, restore: ['EMAIL_ADDRESS'] })
    expect((await ask({ text: TEXT, echo: true })).sent?.body).toContain('jane@example.com')
    expect((await ask({ text: TEXT, answer: 'try john@example.com' })).sent?.body).toContain('[EMAIL_ADDRESS]')
  })

  it('are taken from an answer for good: a token made for the answer is not turned back in it (C6)', async () => {
    const { ask } = await stage({ filterInput: TOKENISE, filterOutput: TOKENISE, restore: ['all'] })
    for (const stream of [false, true]) {
      const reply = await ask({ text: 'ask jane@example.com', answer: 'jane@example.com knows john@example.com well', stream })
      const said = stream ? reply.written : (reply.sent?.body ?? '')
      expect(said).toContain('jane@example.com knows')
      expect(said).not.toContain('john@')
      expect(said).toMatch(TOKEN)
    }
  })

  it('are not asked about when they cannot be kept: refused before the model sees anything (fail closed)', async () => {
    const { vault, test, ask } = await stage({ filterInput: TOKENISE })
    vault.down = true
    expect((await ask({ text: TEXT })).sent?.status).toBe(new RedoubtError('ERR_STORAGE_IO').status)
    vault.down = false
    vault.failAtCommit = 1
    expect((await ask({ text: TEXT })).sent?.status).toBe(new RedoubtError('ERR_STORAGE_IO').status)
    expect(test.asked).toEqual([])
    expect(test.log.of('inference.admission')).toEqual([])
  })

  it('a token of the answer leaves only when it is durable, whole or in a stream', async () => {
    const output = await stage({ filterOutput: TOKENISE })
    expect((await output.ask({ answer: TEXT })).sent?.body).toMatch(TOKEN)
    const streamed = await output.ask({ answer: `${TEXT} and more words`, stream: true })
    expect(streamed.written).toMatch(TOKEN)
    expect(output.vault.commits).toBe(2)
    for (const stream of [false, true]) {
      const failing = await stage({ filterOutput: TOKENISE })
      failing.vault.failAtCommit = 1
      const reply = await failing.ask({ answer: `${TEXT} and more words`, stream })
      expect(reply.written + (reply.sent?.body ?? '')).not.toContain('[[')
      expect(JSON.stringify([reply.sent?.body, reply.closing])).toContain('ERR_STORAGE_IO')
    }
  })

  it('nothing is opened, and no turn is waited, for a call of which nothing is kept', async () => {
    const { vault, ask } = await stage({ filterInput: { EMAIL_ADDRESS: 'hash' }, filterOutput: { default: 'surrogate' } })
    const reply = await ask({ text: TEXT, echo: true })
    expect(reply.sent?.body).toMatch(/\[EMAIL_ADDRESS:[a-t]{20}\]/)
    expect(vault.notes).toEqual([])
  })
})
