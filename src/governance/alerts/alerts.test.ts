import fc from 'fast-check'
import { afterEach, describe, expect, it } from 'vitest'
import { type Alert, ALERT_SEVERITIES } from '#foundation/core'
import { MAX_DETAILS_BYTES, severityRank } from './alert.ts'
import { anAlert, NOW, openWorld, WINDOW_MS, type World } from './alerts.fixtures.ts'
import { MAX_UNSAVED } from './alerts.ts'
import { retryDelayMs } from './courier.ts'
import { MAX_KEYS_PER_KIND, MAX_OPEN } from './open-alerts.ts'
import { MAX_WAITING } from './store.ts'

const worlds: World[] = []
const open = (...args: Parameters<typeof openWorld>): World => {
  const world = openWorld(...args)
  worlds.push(world)
  return world
}
const restart = async (world: World): Promise<World> => {
  const again = await world.restart()
  worlds.splice(worlds.indexOf(world), 1, again)
  return again
}
afterEach(async () => {
  for (const world of worlds.splice(0)) await world.remove()
})
const all = (world: World) => world.alerts.list({ state: 'all', limit: 10_000 }).alerts
const sent = (world: World) => world.place.taken.map(({ body }) => JSON.parse(body) as { data: Record<string, unknown> })

describe('an alert (E6)', () => {
  it('is kept, recorded in the log and sent once', async () => {
    const world = open()
    world.alerts.raise(anAlert({ requestId: 'req_1', logIndex: 7 }))
    await world.alerts.settle()
    await world.alerts.settle()
    expect(all(world)).toMatchObject([{ kind: 'test.alarm', count: 1, firstAt: NOW, logIndex: 7, requestId: 'req_1', recordedIndex: 0 }])
    expect(world.log.events).toMatchObject([
      { type: 'alert.raise', resource: { type: 'Model', id: 'credit' }, details: { kind: 'test.alarm', logIndex: 7 } },
      { type: 'alert.delivery', outcome: 'success', details: { attempts: 1 } },
    ])
    expect(sent(world)).toMatchObject([{ type: 'alert.raise', data: { kind: 'test.alarm', log: 'test/log', logIndex: 7 } }])
  })

  it('of one kind and key is one alert with a count while its window is open, over restarts too', async () => {
    let world = open()
    for (let i = 0; i < 3; i++) world.alerts.raise(anAlert())
    await world.alerts.settle()
    world = await restart(world)
    world.clock.advance(WINDOW_MS - 1)
    world.alerts.raise(anAlert())
    expect(all(world)).toMatchObject([{ count: 4, firstAt: NOW, lastAt: NOW + WINDOW_MS - 1 }])
    world.clock.advance(1)
    world.alerts.raise(anAlert())
    await world.alerts.settle()
    expect(all(world).map(({ count }) => count)).toEqual([1, 4])
    expect(world.place.taken).toHaveLength(2)
    expect(world.log.of('alert.raise')).toHaveLength(2)
  })

  it('is recorded and sent again when it becomes more severe, and never becomes less so', async () => {
    const world = open()
    for (const severity of ['info', 'critical', 'warning', 'critical'] as const) {
      world.alerts.raise(anAlert({ severity }))
      await world.alerts.settle()
    }
    expect(all(world)).toMatchObject([{ severity: 'critical', count: 4 }])
    expect(sent(world).map(({ data }) => data['severity'])).toEqual(['info', 'critical'])
    expect(world.log.of('alert.raise').map(({ details }) => details?.['severity'])).toEqual(['info', 'critical'])
  })

  it('counts every raise in exactly one alert, whatever the order, the times and the steps of the clock (property)', async () => {
    const raise = fc.record({
      kind: fc.constantFrom('a.a', 'a.b'),
      key: fc.constantFrom('x', 'y', '*'),
      severity: fc.constantFrom(...ALERT_SEVERITIES),
      step: fc.integer({ min: -2 * WINDOW_MS, max: WINDOW_MS }),
      settle: fc.boolean(),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(raise, { maxLength: 40 }), async (raises) => {
        const world = openWorld()
        try {
          // The model: an alert takes what comes within its window, on either side of its beginning.
          const model: { name: string; firstAt: number; count: number; rank: number }[] = []
          for (const { kind, key, severity, step, settle } of raises) {
            world.clock.setNow(world.clock.now() + step)
            const now = world.clock.now()
            const latest = model.findLast(({ name }) => name === `${kind} ${key}`)
            if (latest && Math.abs(now - latest.firstAt) < WINDOW_MS) {
              latest.count++
              latest.rank = Math.max(latest.rank, severityRank(severity))
            } else model.push({ name: `${kind} ${key}`, firstAt: now, count: 1, rank: severityRank(severity) })
            world.alerts.raise(anAlert({ kind, key, severity }))
            if (settle) await world.alerts.settle()
          }
          const kept = all(world)
            .toReversed()
            .map(({ kind, key, firstAt, count, severity }) => ({ name: `${kind} ${key}`, firstAt, count, rank: severityRank(severity) }))
          expect(kept).toEqual(model)
          await world.alerts.settle()
          expect(new Set(world.place.taken.map(({ id }) => id)).size).toBe(world.place.taken.length)
        } finally {
          await world.remove()
        }
      }),
      { numRuns: 40, seed: 20261125 },
    )
  })

  it('is acknowledged by whom the log records first, once', async () => {
    const world = open()
    world.alerts.raise(anAlert())
    const by = { type: 'User', id: 'officer' }
    const [{ id } = { id: '' }] = all(world)
    world.log.down = true
    await expect(world.alerts.acknowledge(id, by)).rejects.toMatchObject({ code: 'ERR_AUDIT_UNAVAILABLE' })
    expect(world.alerts.list().alerts).toHaveLength(1)
    world.log.down = false
    expect(await world.alerts.acknowledge(id, by, 'req_2')).toMatchObject({ acknowledgedBy: by, acknowledgedAt: NOW })
    expect(await world.alerts.acknowledge(id, { type: 'User', id: 'another' })).toMatchObject({ acknowledgedBy: by })
    expect(world.alerts.list().alerts).toEqual([])
    expect(world.log.of('alert.acknowledge')).toMatchObject([{ actor: by, requestId: 'req_2', details: { alert: id } }])
    await expect(world.alerts.acknowledge('alr_none', by)).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' })
  })

  it('is listed page by page, by state, severity and kind', () => {
    const world = open()
    for (let i = 0; i < 5; i++) world.alerts.raise(anAlert({ key: String(i), severity: i === 2 ? 'critical' : 'info' }))
    world.alerts.raise(anAlert({ kind: 'other.kind' }))
    const first = world.alerts.list({ limit: 4 })
    const second = world.alerts.list({ limit: 4, before: first.next! })
    expect([...first.alerts, ...second.alerts].map(({ key }) => key)).toEqual(['credit', '4', '3', '2', '1', '0'])
    expect(second.next).toBeNull()
    expect(world.alerts.list({ severity: 'critical' }).alerts.map(({ key }) => key)).toEqual(['2'])
    expect(world.alerts.list({ kind: 'other.kind' }).alerts).toHaveLength(1)
    expect(world.alerts.list({ state: 'acknowledged' }).alerts).toEqual([])
  })
})

describe('raise', () => {
  it('never throws, whatever it is given, and takes nothing that is no alert', () => {
    const world = open()
    const bad = [
      undefined,
      null,
      {},
      anAlert({ kind: 'Upper.Case' }),
      anAlert({ kind: 'nodot' }),
      anAlert({ kind: `a.${'b'.repeat(100)}` }),
      { ...anAlert(), severity: 'fatal' },
      { ...anAlert(), summary: 5 },
      { ...anAlert(), subject: null },
    ]
    for (const alert of bad) expect(() => world.alerts.raise(alert as Alert)).not.toThrow()
    expect(all(world)).toEqual([])
    expect(world.alerts.health().malformed).toBe(bad.length)
    const circular: Record<string, unknown> = {}
    circular['self'] = circular
    world.alerts.raise(anAlert({ details: circular as never }))
    world.alerts.raise(anAlert({ key: 'large', details: { text: 'x'.repeat(MAX_DETAILS_BYTES) } }))
    expect(all(world).map(({ details }) => details['omitted'])).toEqual(['too large', 'not JSON'])
  })

  it('never throws for any value (fuzz)', () => {
    const world = open()
    fc.assert(
      fc.property(fc.anything(), fc.anything(), (whole, part) => {
        world.alerts.raise(whole as Alert)
        world.alerts.raise({ ...anAlert(), ...(part as object) })
        world.alerts.raise(anAlert({ summary: part as never, details: whole as never, logIndex: part as never }))
      }),
      { numRuns: 300, seed: 7 },
    )
    expect(() => world.alerts.list()).not.toThrow()
  })

  it('lets no text forge a line of a terminal, a table or a mail', () => {
    const world = open()
    world.alerts.raise(anAlert({ summary: 'a\r\nBcc: x\u001B[2J\u202Eb\u2028c\uD800', subject: { type: 'Model', id: 'm\n' }, key: 'k\nk' }))
    expect(all(world)).toMatchObject([{ summary: 'a  Bcc: x [2J b c\uFFFD', subject: { id: 'm ' }, key: 'k k' }])
  })

  it('does not wait for the disk, the log or a place', () => {
    const world = open()
    world.place.mode = 'hangs'
    world.log.down = true
    world.database.raw.exec("CREATE TRIGGER full BEFORE INSERT ON alerts BEGIN SELECT RAISE(FAIL, 'disk full'); END")
    world.alerts.raise(anAlert())
    expect(world.place.attempts).toEqual([])
    expect(world.log.events).toEqual([])
    expect(world.alerts.health()).toMatchObject({ unsaved: 1 })
  })

  it('takes bounded memory, and still tells, under a flood of distinct keys', async () => {
    const world = open({ maxKept: 50 })
    const flood = 20_000
    for (let i = 0; i < flood; i++) world.alerts.raise(anAlert({ key: `key ${i}` }))
    world.alerts.raise(anAlert({ kind: 'quiet.kind', severity: 'critical' }))
    expect(world.alerts.health().unsaved).toBe(MAX_KEYS_PER_KIND + 2)
    await world.alerts.settle()
    expect(world.place.taken.length).toBe(MAX_KEYS_PER_KIND + 2)
    const kept = all(world)
    expect(kept).toHaveLength(50)
    expect(kept.find(({ key }) => key === '*')).toMatchObject({ kind: 'test.alarm', count: flood - MAX_KEYS_PER_KIND })
    // The most severe is the last to make room.
    expect(kept.find(({ kind }) => kind === 'quiet.kind')).toBeDefined()
    expect(world.alerts.health().lost).toBe(MAX_KEYS_PER_KIND + 2 - 50)
  })

  it('takes bounded memory under a flood of kinds and keys, and passes on how severe the rest was', () => {
    const world = open()
    for (let i = 0; i < 30_000; i++) world.alerts.raise(anAlert({ kind: `kind.k${i % 300}`, key: `key ${i}` }))
    world.alerts.raise(anAlert({ kind: 'late.kind', severity: 'critical' }))
    expect(world.alerts.health().unsaved).toBe(MAX_OPEN + 1)
    expect(world.alerts.list({ state: 'all', kind: 'alerts.overflow' }).alerts).toMatchObject([{ severity: 'critical' }])
    const total = all(world).reduce((sum, { count }) => sum + count, 0)
    expect(total).toBe(30_001)
  })

  it('tells new keys apart again when the window is over', () => {
    const world = open()
    for (let i = 0; i < MAX_KEYS_PER_KIND + 5; i++) world.alerts.raise(anAlert({ key: `key ${i}` }))
    world.clock.advance(WINDOW_MS)
    world.alerts.raise(anAlert({ key: 'new' }))
    expect(all(world)[0]).toMatchObject({ key: 'new', count: 1 })
  })
})

describe('what fails', () => {
  it('a log that is down loses no alert: it is kept, marked, sent, and recorded later (E6)', async () => {
    let world = open()
    world.log.down = true
    world.alerts.raise(anAlert())
    await world.alerts.settle()
    expect(all(world)).toMatchObject([{ recordedIndex: null }])
    expect(world.alerts.health()).toMatchObject({ unrecorded: 1 })
    expect(world.place.taken).toHaveLength(1)
    world = await restart(world)
    world.log.down = false
    await world.alerts.settle()
    expect(all(world)).toMatchObject([{ recordedIndex: 0 }])
    expect(world.log.events.map(({ type }) => type)).toEqual(['alert.raise', 'alert.delivery'])
    expect(world.alerts.health()).toMatchObject({ unrecorded: 0 })
  })

  it('a log that is down is not asked all the time', async () => {
    const world = open()
    let asked = 0
    const record = world.log.record.bind(world.log)
    world.log.record = (event) => {
      asked++
      return record(event)
    }
    world.log.down = true
    world.alerts.raise(anAlert())
    for (let i = 0; i < 100; i++) {
      await world.alerts.settle()
      world.clock.advance(250)
    }
    expect(asked).toBeLessThanOrEqual(4)
    world.log.down = false
    world.clock.advance(60_000)
    await world.alerts.settle()
    expect(all(world)).toMatchObject([{ recordedIndex: 0 }])
  })

  it('a disk that is full loses no alert: it is kept in memory, shown, and saved later', async () => {
    const world = open()
    world.database.raw.exec("CREATE TRIGGER full BEFORE INSERT ON alerts BEGIN SELECT RAISE(FAIL, 'disk full'); END")
    world.alerts.raise(anAlert())
    await world.alerts.settle()
    expect(world.alerts.health()).toMatchObject({ unsaved: 1, problem: 'ERR_STORAGE_IO' })
    world.database.raw.exec('DROP TRIGGER full')
    world.clock.advance(10_000)
    await world.alerts.settle()
    expect(world.alerts.health()).toMatchObject({ unsaved: 0, problem: null })
    expect(world.place.taken).toHaveLength(1)
    expect(all(world)).toMatchObject([{ count: 1, recordedIndex: 0 }])
  })

  it('a disk that stays full for long takes bounded memory, and what is lost is counted', () => {
    const world = open({ windowSeconds: 1 })
    world.database.raw.exec("CREATE TRIGGER full BEFORE INSERT ON alerts BEGIN SELECT RAISE(FAIL, 'disk full'); END")
    for (let i = 0; i < MAX_UNSAVED + 50; i++) {
      world.alerts.raise(anAlert())
      world.clock.advance(1_000)
    }
    expect(world.alerts.health()).toMatchObject({ unsaved: MAX_UNSAVED, lost: 50 })
  })

  it('a save that was done but reported lost is repeated without a second alert or message', async () => {
    const world = open()
    const { raw } = world.database
    const exec = raw.exec.bind(raw)
    let failing = true
    raw.exec = (sql) => {
      exec(sql)
      if (failing && sql === 'COMMIT') throw new Error('reported lost')
    }
    world.alerts.raise(anAlert())
    await world.alerts.settle()
    expect(world.alerts.health()).toMatchObject({ unsaved: 1 })
    failing = false
    world.clock.advance(10_000)
    await world.alerts.settle()
    expect(all(world)).toMatchObject([{ count: 1 }])
    expect(new Set(world.place.taken.map(({ id }) => id)).size).toBe(1)
    expect(world.log.of('alert.raise')).toHaveLength(1)
  })
})

describe('the outbox', () => {
  it('sends again what was lost, and what was taken but reported lost under the same id', async () => {
    const world = open()
    world.alerts.raise(anAlert())
    for (const mode of ['lost', 'silent', 'takes'] as const) {
      world.place.mode = mode
      await world.alerts.settle()
      world.clock.advance(10_000)
    }
    expect(world.place.attempts).toHaveLength(3)
    expect(world.place.taken).toHaveLength(2)
    expect(world.place.taken[0]).toEqual(world.place.taken[1])
    expect(world.log.of('alert.delivery')).toMatchObject([{ outcome: 'success', details: { attempts: 3 } }])
  })

  it('goes on after a restart, also when the crash came between the delivery and its mark', async () => {
    let world = open()
    world.place.mode = 'lost'
    world.alerts.raise(anAlert())
    await world.alerts.settle()
    world.database.raw.exec("CREATE TRIGGER crash BEFORE UPDATE ON alert_deliveries BEGIN SELECT RAISE(FAIL, 'crash'); END")
    world.place.mode = 'takes'
    world.clock.advance(10_000)
    await world.alerts.settle()
    expect(world.place.taken).toHaveLength(1)
    world.database.raw.exec('DROP TRIGGER crash')
    world = await restart(world)
    await world.alerts.settle()
    expect(world.place.taken).toHaveLength(2)
    expect(world.place.taken[0]?.id).toBe(world.place.taken[1]?.id)
    world = await restart(world)
    world.clock.advance(3_600_000)
    await world.alerts.settle()
    expect(world.place.taken).toHaveLength(2)
  })

  it('waits 5 s after the first failure and twice as long after each, up to 10 minutes, over restarts too', async () => {
    let world = open()
    world.place.mode = 'lost'
    world.alerts.raise(anAlert())
    await world.alerts.settle()
    for (let second = 0; second < 3_000; second++) {
      world.clock.advance(1_000)
      if (second === 100) world = await restart(world)
      await world.alerts.settle()
    }
    const waits = world.place.attempts.map((at, index) => at - (world.place.attempts[index - 1] ?? at)).slice(1)
    expect(waits).toEqual([5_000, 10_000, 20_000, 40_000, 80_000, 160_000, 320_000, 600_000, 600_000, 600_000])
    expect([1, 2, 8, 9, 1_000].map(retryDelayMs)).toEqual([5_000, 10_000, 600_000, 600_000, 600_000])
  })

  it('gives up after the attempts that are configured, and records that it did', async () => {
    const world = open({ maxAttempts: 3 })
    world.place.mode = 'lost'
    world.alerts.raise(anAlert())
    for (let i = 0; i < 20; i++) {
      await world.alerts.settle()
      world.clock.advance(600_000)
    }
    expect(world.place.attempts).toHaveLength(3)
    expect(world.log.of('alert.delivery')).toMatchObject([
      { outcome: 'failed', code: 'ERR_ALERT_DELIVERY', details: { attempts: 3, problem: 'ECONNRESET' } },
    ])
    expect(world.alerts.health().places).toMatchObject([{ waiting: 0, givenUp: 1, problem: 'ECONNRESET' }])
    expect(JSON.stringify([world.log.events, world.alerts.health()])).not.toContain('secret words')
  })

  it('leaves a failing place alone whatever waits for it, and sends the most severe first when it answers', async () => {
    const world = open()
    world.place.mode = 'lost'
    for (let i = 0; i < 50; i++) world.alerts.raise(anAlert({ key: String(i), severity: i === 40 ? 'critical' : 'warning' }))
    for (let i = 0; i < 40; i++) {
      await world.alerts.settle()
      world.clock.advance(250)
    }
    expect(world.place.attempts.length).toBeLessThanOrEqual(2)
    world.place.mode = 'takes'
    world.clock.advance(600_000)
    await world.alerts.settle()
    expect(world.place.taken).toHaveLength(50)
    expect(sent(world)[0]?.data['severity']).toBe('critical')
  })

  it('drops the least severe and oldest beyond its bound, and counts them', async () => {
    const world = open({ windowSeconds: 1 })
    world.place.mode = 'lost'
    const over = 3
    for (let round = 0; round * MAX_KEYS_PER_KIND < MAX_WAITING; round++) {
      for (let i = 0; i < MAX_KEYS_PER_KIND; i++) world.alerts.raise(anAlert({ key: `${round} ${i}` }))
      world.clock.advance(1_000)
      world.alerts.list({ limit: 1 })
    }
    for (let i = 0; i < over; i++) world.alerts.raise(anAlert({ key: `last ${i}`, severity: 'critical' }))
    world.alerts.list({ limit: 1 })
    expect(world.alerts.health()).toMatchObject({ undelivered: over, places: [{ waiting: MAX_WAITING }] })
    world.place.mode = 'takes'
    await world.alerts.settle()
    expect(sent(world).filter(({ data }) => data['severity'] === 'critical')).toHaveLength(over)
  })

  it('sends at once what waits when the clock was set back', async () => {
    const world = open()
    world.place.mode = 'lost'
    world.alerts.raise(anAlert())
    await world.alerts.settle()
    world.place.mode = 'takes'
    world.clock.advance(6_000)
    world.clock.setNow(NOW - 86_400_000)
    await world.alerts.settle()
    expect(world.place.taken).toHaveLength(1)
  })

  it('ends a delivery under way when the room closes, and keeps it for the next start', async () => {
    let world = open()
    world.place.mode = 'hangs'
    world.alerts.raise(anAlert())
    void world.alerts.settle()
    await world.alerts.close()
    world.place.mode = 'takes'
    world = await restart(world)
    await world.alerts.settle()
    expect(world.place.taken).toHaveLength(1)
  })
})

describe('what is kept', () => {
  it('loses acknowledged alerts by age, and others only to a bound', async () => {
    const world = open({ retentionDays: 1, maxKept: 10 })
    world.alerts.raise(anAlert({ key: 'seen' }))
    world.alerts.raise(anAlert({ key: 'unseen' }))
    const seen = all(world).find(({ key }) => key === 'seen')
    await world.alerts.acknowledge(seen?.id ?? '', { type: 'User', id: 'officer' })
    world.clock.advance(86_400_001)
    world.alerts.raise(anAlert({ key: 'later' }))
    expect(all(world).map(({ key }) => key)).toEqual(['later', 'unseen'])
    for (let i = 0; i < 10; i++) world.alerts.raise(anAlert({ key: `info ${i}`, severity: 'info' }))
    const kept = all(world).map(({ key }) => key)
    expect(kept).toHaveLength(10)
    expect(kept.slice(-2)).toEqual(['later', 'unseen'])
  })

  it('refuses to share a transaction of another room', () => {
    const world = open()
    world.database.raw.exec('BEGIN')
    world.alerts.raise(anAlert())
    world.alerts.list()
    expect(world.alerts.health()).toMatchObject({ unsaved: 1, problem: 'ERR_STORAGE_IO' })
    world.database.raw.exec('ROLLBACK')
    expect(world.alerts.list().alerts).toHaveLength(1)
  })
})

describe('an alert that something depends on', () => {
  it('is on the disk when it was kept, and told like any other', async () => {
    const world = open()
    world.alerts.keep(anAlert({ severity: 'critical' }))
    const again = await restart(world)
    expect(all(again)).toMatchObject([{ kind: 'test.alarm', severity: 'critical' }])
    await again.alerts.settle()
    expect(again.place.taken).toHaveLength(1)
  })

  it('is said not to be kept when the disk does not take it', () => {
    const world = open()
    world.database.raw.exec('BEGIN')
    expect(() => world.alerts.keep(anAlert())).toThrow(expect.objectContaining({ code: 'ERR_STORAGE_IO' }))
    world.database.raw.exec('ROLLBACK')
    expect(() => world.alerts.keep(anAlert())).not.toThrow()
    expect(() => world.alerts.keep(anAlert({ kind: 'NO ALERT' }))).toThrow(expect.objectContaining({ code: 'ERR_INPUT_INVALID' }))
  })
})

describe('a test of the places', () => {
  const OFFICER = { type: 'User', id: 'officer' }

  it('answers what each place said, and is recorded', async () => {
    const world = open()
    expect(await world.alerts.test(OFFICER, 'req_1')).toEqual([{ name: 'place', taken: true, problem: null }])
    expect(JSON.parse(world.place.taken[0]?.body ?? '')).toMatchObject({
      type: 'alert.raise',
      data: { kind: 'alerts.test', severity: 'info' },
    })
    world.place.mode = 'lost'
    expect(await world.alerts.test(OFFICER)).toEqual([{ name: 'place', taken: false, problem: 'ECONNRESET' }])
    expect(world.log.of('alert.test')).toMatchObject([
      { outcome: 'success', actor: OFFICER, requestId: 'req_1' },
      { outcome: 'failed', code: 'ERR_ALERT_DELIVERY', details: { refused: ['place'] } },
    ])
    expect(all(world)).toEqual([])
  })

  it('comes after what is on its way, and keeps nothing from being sent', async () => {
    const world = open()
    world.alerts.raise(anAlert())
    await Promise.all([world.alerts.settle(), world.alerts.test(OFFICER), world.alerts.test(OFFICER)])
    expect(world.place.taken).toHaveLength(3)
    world.place.mode = 'lost'
    await world.alerts.test(OFFICER)
    expect(world.alerts.health().places).toMatchObject([{ failures: 0, waiting: 0 }])
  })

  it('says that it could not be recorded', async () => {
    const world = open()
    world.log.down = true
    await expect(world.alerts.test(OFFICER)).rejects.toMatchObject({ code: 'ERR_AUDIT_UNAVAILABLE' })
  })
})
