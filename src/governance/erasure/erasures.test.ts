import { beforeEach, describe, expect, it } from 'vitest'
import { RedoubtError } from '#foundation/core'
import { openDatabase } from '#foundation/storage'
import { verifyCertificate } from './certificate.ts'
import { newWorld, NOW, OFFICER, outcome, pseudonymOf, PUBLIC_KEY, type World } from './erasure.fixtures.ts'

let world: World
beforeEach(() => {
  world = newWorld()
})

const ADA = pseudonymOf('ada')
const ask = { subject: 'ada', ground: 'consent-withdrawn' } as const

describe('erasing a person (A1, E3)', () => {
  it('destroys their key, takes their rows out of every data set that has some, and leaves a tombstone', async () => {
    const { erasures } = await world.open()
    const erasure = await erasures.eraseSubject(ask, OFFICER)
    expect(erasure).toMatchObject({
      kind: 'subject',
      pseudonym: ADA,
      datasets: ['loans', 'cards'],
      doneAt: NOW,
      objects: 6,
      keys: 1,
      hasCertificate: true,
    })
    expect(world.done).toEqual([`destroy key ${ADA}`, 'erase from loans', 'relearn loans', 'erase from cards', 'relearn cards'])
    expect(world.events.map(({ type }) => type)).toEqual(['erasure.begin', 'erasure.done'])
    expect(world.events[1]).toMatchObject({
      actor: { id: 'officer' },
      details: {
        erasure: erasure.id,
        pseudonym: ADA,
        ground: 'consent-withdrawn',
        article: 'GDPR art. 17(1)(b)',
        objects: 6,
        erasedRows: 2,
        keys: ['f'.repeat(64)],
      },
    })
    expect(JSON.stringify([world.events, erasures.list(), erasures.certificate(erasure.id)])).not.toContain('"ada"')
    expect(erasures.list()).toEqual([erasure])
  })

  it('of one data set leaves the others and the key', async () => {
    const { erasures } = await world.open()
    expect(await erasures.eraseSubject({ ...ask, dataset: 'cards' }, OFFICER)).toMatchObject({ datasets: ['cards'] })
    expect([world.done, world.rows.get('loans')]).toEqual([
      ['erase from cards', 'relearn cards'],
      ['ada', 'bob'],
    ])
  })

  it('is on record before anything is destroyed', async () => {
    const { erasures } = await world.open()
    world.step = (what) => {
      if (what === 'record erasure.begin') throw new RedoubtError('ERR_AUDIT_UNAVAILABLE')
    }
    expect(await outcome(erasures.eraseSubject(ask, OFFICER))).toBe('ERR_AUDIT_UNAVAILABLE')
    expect([world.done, erasures.list()]).toEqual([[], []])
  })

  it.each(['destroy key', 'erase from loans', 'relearn loans', 'erase from cards', 'relearn cards', 'record erasure.done', 'sign'])(
    'that fails at “%s” is finished by the next start, or by the same call, once',
    async (failing) => {
      for (const next of ['start', 'call'] as const) {
        world = newWorld()
        let { erasures } = await world.open()
        world.step = (what) => {
          if (what.startsWith(failing)) throw new RedoubtError('ERR_STORAGE_IO')
        }
        expect(await outcome(erasures.eraseSubject(ask, OFFICER))).toBe('ERR_STORAGE_IO')
        const [begun] = erasures.list()
        expect([begun?.doneAt, outcomeOf(() => erasures.certificate(begun!.id))]).toEqual([null, 'ERR_NOT_FOUND'])
        world.step = () => undefined
        if (next === 'start') {
          ;({ erasures } = await world.open())
          expect(await erasures.resume()).toBe(1)
        } else await erasures.eraseSubject(ask, OFFICER)
        expect(erasures.list()).toMatchObject([{ id: begun!.id, doneAt: NOW, by: { id: 'officer' }, hasCertificate: true }])
        expect([...world.rows.values()].flat()).toEqual(['bob', 'bob'])
        expect(await erasures.resume()).toBe(0)
      }
    },
  )

  it('looks again for data sets that were made of others meanwhile, and of those, until there are none', async () => {
    const { erasures } = await world.open()
    world.step = (what) => {
      // Made of rows that were still there when the data sets were listed; one that was erased from gets another version.
      if (what === 'erase from cards') world.rows.set('derived', ['ada', 'bob'])
      if (what === 'erase from derived' && !world.rows.has('again')) {
        world.rows.set('again', ['ada'])
        world.rows.set('loans', ['ada', 'bob'])
      }
    }
    const erasure = await erasures.eraseSubject(ask, OFFICER)
    expect([...world.rows.values()].flat()).toEqual(['bob', 'bob', 'bob'])
    expect(erasure).toMatchObject({ datasets: ['loans', 'cards', 'derived', 'again'], doneAt: NOW, objects: 12 })
    expect(erasure.versions.map(({ name }) => name)).toEqual(['loans', 'cards', 'derived', 'again'])
    expect(world.events[1]?.details).toMatchObject({ datasets: ['loans', 'cards', 'derived', 'again'], erasedRows: 4 })
    // One of a single data set is of that one alone.
    world.rows.set('cards', ['eve'])
    world.rows.set('copy', ['eve'])
    expect(await erasures.eraseSubject({ ...ask, subject: 'eve', dataset: 'cards' }, OFFICER)).toMatchObject({ datasets: ['cards'] })
    expect(world.rows.get('copy')).toEqual(['eve'])
  })

  it('that finds a data set under a hold last waits, and is finished when the hold ends', async () => {
    const { erasures, holds } = await world.open()
    const { id } = await holds.set({ kind: 'dataset', target: 'derived' }, { until: NOW + 1_000, reason: 'case 7' }, OFFICER)
    world.step = (what) => void (what === 'erase from cards' && world.rows.set('derived', ['ada']))
    expect(await outcome(erasures.eraseSubject(ask, OFFICER))).toBe('ERR_LEGAL_HOLD')
    expect(erasures.list()).toMatchObject([{ doneAt: null, datasets: ['loans', 'cards', 'derived'] }])
    expect([world.rows.get('derived'), world.rows.get('cards')]).toEqual([['ada'], []])
    await holds.lift(id, 'case closed', OFFICER)
    expect(await erasures.resume()).toBe(1)
    expect([...world.rows.values()].flat()).toEqual(['bob', 'bob'])
  })

  it('does not go on without end while somebody adds rows of the person, and is not done', async () => {
    const { erasures } = await world.open()
    let made = 0
    world.step = (what) => void (what.startsWith('erase from') && world.rows.set(`new-${++made}`, ['ada']))
    expect(await outcome(erasures.eraseSubject(ask, OFFICER))).toBe('ERR_CONFLICT')
    expect(erasures.list()).toMatchObject([{ doneAt: null, hasCertificate: false }])
    world.step = () => undefined
    expect(await erasures.resume()).toBe(1)
    expect([...world.rows.values()].flat()).toEqual(['bob', 'bob'])
  })

  it('is applied again to data that were restored from before, and told once', async () => {
    let { erasures } = await world.open()
    const erasure = await erasures.eraseSubject(ask, OFFICER)
    await erasures.shred('other', 'retention-ended', OFFICER)
    // Yesterday's data with today's key store. `third` was removed since.
    world.known = openDatabase(':memory:')
    for (const [name, people] of [['loans', ['ada', 'bob']], ['third', ['ada']], ['other', ['bob']]] as const) world.rows.set(name, [...people]) // prettier-ignore
    ;({ erasures } = await world.open())
    expect(await erasures.resume()).toBe(2)
    expect(Object.fromEntries(world.rows)).toEqual({ loans: ['bob'], cards: [], third: [] })
    expect(world.events.filter(({ type }) => type === 'erasure.done')).toHaveLength(2)
    expect(erasures.list().find(({ id }) => id === erasure.id)).toEqual(erasure)
    expect(await erasures.resume()).toBe(0)
  })
})

describe('shredding a data set (A1)', () => {
  it('destroys it, what was learned of it, and names the keys that went', async () => {
    const { erasures } = await world.open()
    const erasure = await erasures.shred('loans', 'retention-ended', OFFICER)
    expect(erasure).toMatchObject({ kind: 'dataset', pseudonym: null, datasets: ['loans'], objects: 3 })
    expect(world.done).toEqual(['shred loans', 'relearn loans'])
    expect(world.events[1]?.details).toMatchObject({ keys: ['kek_1/1'], datasets: ['loans'] })
    expect(await outcome(erasures.shred('loans', 'retention-ended', OFFICER))).toBe('ERR_DATA_UNKNOWN')
  })
})

describe('a legal hold', () => {
  const until = NOW + 86_400_000
  const hold = async () => {
    const room = await world.open()
    return {
      ...room,
      on: (target: string, kind: 'subject' | 'dataset') =>
        room.holds.set({ kind, target }, { until, reason: 'case 7, Ada v. Bob' }, OFFICER),
    }
  }

  it.each([
    ['on the person', ADA, 'subject'],
    ['on a data set that holds rows of theirs', 'cards', 'dataset'],
  ] as const)('%s refuses an erasure whole, and says who and until when', async (_name, target, kind) => {
    const { erasures, on } = await hold()
    const { id } = await on(target, kind)
    const refused = await erasures.eraseSubject(ask, OFFICER).then(
      () => null,
      (error: RedoubtError) => error,
    )
    expect([refused?.code, refused?.evidence, refused?.message]).toEqual([
      'ERR_LEGAL_HOLD',
      { hold: id, until, setByType: 'User', setById: 'officer' },
      expect.stringContaining('until 2026-01-02T00:00:00.000Z, set by `officer`'),
    ])
    expect([world.done, erasures.list()]).toEqual([[], []])
    // It ends by itself.
    world.clock.advance(86_400_000)
    expect((await erasures.eraseSubject(ask, OFFICER)).doneAt).not.toBeNull()
  })

  it('on a data set refuses what was made of its rows, and says of which', async () => {
    const { erasures, holds, on } = await hold()
    world.madeOf.set('cards', ['loans', 'archive'])
    const { id } = await on('archive', 'dataset')
    for (const refused of [erasures.eraseSubject(ask, OFFICER), erasures.eraseSubject({ ...ask, dataset: 'cards' }, OFFICER), erasures.shred('cards', 'unlawful', OFFICER)])
      expect(await refused.then(() => null, (error: RedoubtError) => [error.code, error.message, error.evidence])).toEqual([
        'ERR_LEGAL_HOLD',
        `it is made of rows of the data set \`archive\`, which is under a legal hold until 2026-01-02T00:00:00.000Z, set by \`officer\` (\`${id}\`)`,
        { hold: id, until, setByType: 'User', setById: 'officer' },
      ]) // prettier-ignore
    expect([world.done, erasures.list(), world.events.map(({ type }) => type)]).toEqual([[], [], ['hold.set']])
    await holds.lift(id, 'settled', OFFICER)
    expect((await erasures.eraseSubject(ask, OFFICER)).doneAt).not.toBeNull()
  })

  it('refuses to shred, until it is lifted', async () => {
    const { erasures, holds, on } = await hold()
    const { id } = await on('loans', 'dataset')
    const { id: other } = await on(ADA, 'subject')
    expect(await outcome(erasures.shred('loans', 'unlawful', OFFICER))).toBe('ERR_LEGAL_HOLD')
    await holds.lift(other, 'settled', OFFICER)
    expect(await outcome(erasures.shred('loans', 'unlawful', OFFICER))).toBe('ERR_LEGAL_HOLD')
    // Refused is not begun: nothing is left for a later start.
    expect([world.done, erasures.list()]).toEqual([[], []])
    expect(await holds.lift(id, 'settled', OFFICER)).toMatchObject({ state: 'lifted', liftReason: 'settled' })
    expect(await outcome(erasures.shred('loans', 'unlawful', OFFICER))).toBe('done')
    expect(await outcome(holds.lift(id, 'again', OFFICER))).toBe('ERR_NOT_FOUND')
  })

  it('is on record before it holds, keeps its reason sealed, and ends in the future', async () => {
    const { holds, on } = await hold()
    await on(ADA, 'subject')
    expect(holds.heldSubjects()).toEqual([ADA])
    expect(holds.list()).toMatchObject([
      { kind: 'subject', target: ADA, until, reason: 'case 7, Ada v. Bob', liftReason: null, state: 'held' },
    ])
    const stored = JSON.stringify([
      world.events,
      world.keyStore.raw
        .prepare('SELECT * FROM holds')
        .all()
        .map((row) => Object.values(row).map(String)),
    ])
    expect(stored).not.toContain('case 7')
    world.step = () => {
      throw new RedoubtError('ERR_AUDIT_UNAVAILABLE')
    }
    expect(await outcome(on('loans', 'dataset'))).toBe('ERR_AUDIT_UNAVAILABLE')
    expect(holds.list()).toHaveLength(1)
    expect(await outcome(holds.lift(holds.list()[0]!.id, 'r', OFFICER))).toBe('ERR_AUDIT_UNAVAILABLE')
    expect(holds.heldSubjects()).toEqual([ADA])
    expect(await outcome(holds.set({ kind: 'dataset', target: 'loans' }, { until: NOW, reason: 'r' }, OFFICER))).toBe('ERR_INPUT_INVALID')
  })

  it('that was set after an erasure was interrupted makes it wait, and the server starts', async () => {
    const { erasures, on } = await hold()
    world.step = (what) => {
      if (what === 'erase from cards') throw new RedoubtError('ERR_STORAGE_IO')
    }
    await outcome(erasures.eraseSubject(ask, OFFICER))
    world.step = () => undefined
    await on('cards', 'dataset')
    const { erasures: later } = await world.open()
    expect([await later.resume(), world.rows.get('cards')]).toEqual([0, ['ada']])
    world.clock.advance(86_400_000)
    expect([await later.resume(), world.rows.get('cards')]).toEqual([1, []])
  })
})

describe('the certificate', () => {
  it('is verified offline with the public key, and says what the log says', async () => {
    const { erasures } = await world.open()
    const { id } = await erasures.eraseSubject(ask, OFFICER)
    expect(await erasures.certificateKey()).toBe(PUBLIC_KEY)
    const statement = verifyCertificate(Buffer.from(erasures.certificate(id)), PUBLIC_KEY)
    expect(statement).toMatchObject({
      erasure: id,
      pseudonym: ADA,
      by: { type: 'User', id: 'officer' },
      log: { index: 1, leafHash: 'leaf2' },
      objects: 6,
    })
    expect(statement.versions).toHaveLength(2)
  })
})

function outcomeOf(call: () => unknown): string {
  try {
    call()
    return 'done'
  } catch (error) {
    return (error as RedoubtError).code
  }
}
