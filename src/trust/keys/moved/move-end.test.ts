import { afterEach, describe, expect, it } from 'vitest'
import { type AuditEvent, RedoubtError } from '#foundation/core'
import { MemoryFolder } from '#foundation/storage'
import { MemoryAudit, newWorld, USE } from '../keys.fixtures.ts'
import type { Keyring } from '../keys.ts'
import { KEY_RECORDS_PATH } from '../outside/key-records.ts'
import { transitSchema } from '../transit/config.ts'
import { FakeTransit } from '../transit/fake-transit.fixtures.ts'

const closing: (() => unknown)[] = []
afterEach(async () => {
  delete process.env['REDOUBT_TEST_TOKEN']
  for (const close of closing.splice(0).reverse()) await close()
})

/** A log that takes everything but one phase of the move, for as long as it is told to. */
class AuditWithout extends MemoryAudit {
  without: string | null

  constructor(phase: string) {
    super()
    this.without = phase
  }

  override async record(event: AuditEvent): ReturnType<MemoryAudit['record']> {
    if (event.type === 'key.move' && event.details?.['phase'] === this.without) throw new RedoubtError('ERR_AUDIT_UNAVAILABLE')
    return super.record(event)
  }

  told(): readonly unknown[] {
    return this.events.flatMap(({ type, details }) =>
      type === 'key.move' ? [details?.['phase']] : type === 'key.retire' || type === 'key.destroy' ? [type] : [],
    )
  }
}

/** Keys that move from Transit into a sealed file, opened by both. */
async function moving() {
  const bao = await FakeTransit.start()
  closing.push(() => bao.server.stop())
  process.env['REDOUBT_TEST_TOKEN'] = 'fake-token'
  const { origin: url, caFile: ca } = bao.server
  const transit = transitSchema.parse({ kind: 'transit', url, ca, token: 'env:REDOUBT_TEST_TOKEN' })
  const world = newWorld()
  const before = await world.open({ provider: transit })
  const sealed = await before.sealer.seal('ann', Buffer.from('a name'), 'c')
  before.close()
  const open = async (): Promise<Keyring> => {
    const keyring = await world.open({ provider: { kind: 'sealed-file' }, moveFrom: transit })
    closing.push(() => keyring.close())
    return keyring
  }
  const rotationOf = (keyring: Keyring, audit: MemoryAudit, graceDays = 0) =>
    keyring.rotation({
      audit,
      alerts: { raise: () => undefined },
      folder: new MemoryFolder(),
      objects: [],
      wrapped: [],
      config: { graceDays, objectsPerSecond: 100_000 },
      sleep: async () => undefined,
    })
  return { bao, world, open, rotationOf, sealed }
}

const VERSIONS = ['dataset', 'model', 'subject', 'configuration']
const each = (type: string): readonly string[] => VERSIONS.map(() => type)

describe('the end of a move that was cut off just before it (A4, A6)', () => {
  it.each(['proved', 'ended'])('comes with the next process when `%s` did not come to be on record', async (phase) => {
    const { world, open, rotationOf, sealed } = await moving()
    const audit = new AuditWithout(phase)
    const first = await open()
    await first.finishMove(audit)
    const cut = rotationOf(first, audit)
    // As a crash at this very step: the versions are as far as they are, and what follows was not done.
    for (let i = 0; i < 3 && cut.progress().error === null; i++) await cut.run()
    expect(cut.progress()).toMatchObject({ error: 'ERR_AUDIT_UNAVAILABLE', move: { proved: phase === 'ended' } })
    first.close()
    audit.without = null
    const second = await open()
    const rotation = rotationOf(second, audit)
    for (let i = 0; i < 3; i++) await rotation.run()
    expect(rotation.progress()).toMatchObject({ error: null, move: null })
    // No version ended before it was proved that nothing names one.
    expect(audit.told()).toEqual(['begun', ...each('key.retire'), 'proved', ...each('key.destroy'), 'ended'])
    expect(world.folder.exists(KEY_RECORDS_PATH)).toBe(false)
    expect(Buffer.from(await second.sealer.open(sealed, 'c')).toString()).toBe('a name')
    await second.keys(audit).generateDataKey('configuration', 'next', USE)
  })

  it('does not wait for the grace when it was the proof that was cut off', async () => {
    const { open, rotationOf } = await moving()
    const audit = new AuditWithout('proved')
    const first = await open()
    await first.finishMove(audit)
    await rotationOf(first, audit, 30).run()
    first.close()
    expect(audit.told()).toEqual(['begun', ...each('key.retire')])
    audit.without = null
    const rotation = rotationOf(await open(), audit, 30)
    await rotation.run()
    expect(rotation.progress()).toMatchObject({ error: null, move: { proved: true, versions: { all: 4, destroyed: 0 } } })
  })
})
