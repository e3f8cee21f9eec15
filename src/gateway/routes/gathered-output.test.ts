import { describe, expect, it } from 'vitest'
import { GatheredOutput, MOST_GATHERED } from './gathered-output.ts'

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

function gathering(write: (text: string) => boolean = () => true) {
  const seen = { writes: [] as string[], told: [] as [string, boolean][], failures: [] as unknown[] }
  const out = {
    write(text: string): boolean {
      seen.writes.push(text)
      return write(text)
    },
  }
  const gathered = new GatheredOutput(
    out,
    (text, taken) => void seen.told.push([text, taken]),
    (thrown) => void seen.failures.push(thrown),
  )
  return { ...seen, gathered }
}

describe('what leaves on a stream', () => {
  it('leaves in one write for all of one turn of the event loop, and in that turn', async () => {
    const { gathered, writes, told } = gathering()
    for (const text of ['a', 'b', '', 'c']) gathered.add(text)
    expect(writes).toEqual([])
    await nextTurn()
    expect(writes).toEqual(['abc'])
    gathered.add('d')
    await nextTurn()
    await nextTurn()
    expect(writes).toEqual(['abc', 'd'])
    expect(told).toEqual([
      ['abc', true],
      ['d', true],
    ])
  })

  it('does not wait when there is enough for a record of TLS: what is held is bounded', () => {
    const { gathered, writes } = gathering()
    const piece = 'x'.repeat(1000)
    for (let n = 1; n <= 100; n++) {
      gathered.add(piece)
      expect(n * piece.length - writes.join('').length).toBeLessThan(MOST_GATHERED)
    }
    expect(Math.max(...writes.map(({ length }) => length))).toBeLessThan(MOST_GATHERED + piece.length)
  })

  it('is the same text, in order, however it came (C6)', async () => {
    const seed = Math.floor(Math.random() * 2 ** 31)
    let state = seed
    const random = (below: number): number => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
      return Math.floor((state / 2 ** 32) * below)
    }
    const { gathered, writes, told } = gathering(() => random(2) === 0)
    let all = ''
    for (let n = 0; n < 500; n++) {
      const text = String(n).repeat(random(3) === 0 ? random(4000) : random(3))
      all += text
      gathered.add(text)
      if (random(10) === 0) gathered.flush()
      if (random(4) === 0) await nextTurn()
    }
    gathered.flush()
    expect(writes.join(''), `seed ${seed}`).toBe(all)
    expect(told.map(([text]) => text)).toEqual(writes)
  })

  it('says when the client takes no more', async () => {
    const { gathered, told } = gathering(() => false)
    gathered.add('a')
    await nextTurn()
    expect(told).toEqual([['a', false]])
  })

  it('tells of a write that fails at the end of a turn, where nobody is above it to catch', async () => {
    const broken = new Error('gone')
    const { gathered, failures, told } = gathering(() => {
      throw broken
    })
    gathered.add('a')
    await nextTurn()
    expect(failures).toEqual([broken])
    expect(told).toEqual([])
    gathered.add('b')
    expect(() => gathered.flush()).toThrow(broken)
  })
})
