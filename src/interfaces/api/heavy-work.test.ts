import { describe, expect, it } from 'vitest'
import { HeavyWork, MAX_OF_ONE, MAX_RUNNING, MAX_WAITING } from './heavy-work.ts'

function hold() {
  const ended = Promise.withResolvers<string>()
  return { work: () => ended.promise, end: () => ended.resolve('done') }
}
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describe('heavy work', () => {
  it('runs a few at a time, the others wait, more are refused', async () => {
    const heavy = new HeavyWork()
    let running = 0
    let most = 0
    const holds = Array.from({ length: MAX_RUNNING + MAX_WAITING }, hold)
    const all = holds.map(({ work }) =>
      heavy.run(async () => {
        most = Math.max(most, ++running)
        await work()
        running--
      }),
    )
    await expect(heavy.run(async () => undefined)).rejects.toMatchObject({ code: 'ERR_BUSY' })
    for (const { end } of holds) {
      end()
      await turn()
    }
    await Promise.all(all)
    expect(most).toBe(MAX_RUNNING)
    expect(await heavy.run(async () => 'free again')).toBe('free again')
  })

  it('passes the place on when the work fails', async () => {
    const heavy = new HeavyWork()
    for (let i = 0; i <= MAX_RUNNING; i++) await expect(heavy.run(() => Promise.reject(new Error('no')))).rejects.toThrow('no')
    expect(await heavy.run(async () => 'free')).toBe('free')
  })

  it('forgets who does not wait any longer', async () => {
    const heavy = new HeavyWork()
    const holds = Array.from({ length: MAX_RUNNING }, hold)
    const running = holds.map(({ work }) => heavy.run(work))
    const gone = new AbortController()
    let begun = false
    const waiting = heavy.run(async () => {
      begun = true
    }, gone.signal)
    gone.abort(new Error('left'))
    await expect(waiting).rejects.toThrow('left')
    for (const { end } of holds) end()
    await Promise.all(running)
    await turn()
    expect(begun).toBe(false)
    await expect(heavy.run(async () => 'x', gone.signal)).rejects.toThrow('left')
  })

  it('of one caller leaves room for others, and no more of it waits than is bounded', async () => {
    const heavy = new HeavyWork()
    const order: string[] = []
    const own = Array.from({ length: MAX_OF_ONE }, hold)
    const all = own.map(({ work }, n) =>
      heavy.run(
        () => {
          order.push(`own ${n}`)
          return work()
        },
        undefined,
        'User::ada',
      ),
    )
    await expect(heavy.run(async () => undefined, undefined, 'User::ada')).rejects.toMatchObject({ code: 'ERR_BUSY' })
    // Who comes later goes first while the other has its share.
    expect(
      await heavy.run(
        async () => {
          order.push('other')
          return 'other'
        },
        undefined,
        'User::bob',
      ),
    ).toBe('other')
    await turn()
    expect(order).toEqual(['own 0', 'other'])
    for (const { end } of own) {
      end()
      await turn()
    }
    await Promise.all(all)
    expect(order).toEqual(['own 0', 'other', 'own 1', 'own 2', 'own 3'])
    expect(await heavy.run(async () => 'free again', undefined, 'User::ada')).toBe('free again')
  })
})
