import { describe, expect, it } from 'vitest'
import { HeavyWork, MAX_RUNNING, MAX_WAITING } from './heavy-work.ts'

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
})
