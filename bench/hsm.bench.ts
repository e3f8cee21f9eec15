import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { resolveSecret } from '#foundation/config'
import { systemClock } from '#foundation/core'
import { MemoryFolder, nodeFolder, openDatabase } from '#foundation/storage'
import { openAuditLog, parallelWriter } from '#trust/audit'
import { openKeyring } from '#trust/keys'
import type { ProviderConfig } from '../src/trust/keys/provider-config.ts'
import { openPkcs11Provider } from '../src/trust/keys/pkcs11/pkcs11-service.ts'
import { newSoftHsm } from '../src/trust/keys/pkcs11/softhsm.fixtures.ts'
import { median, percentile, type Row } from './row.ts'

const UNWRAPS = 4_000
const ROUNDS = 5
const TOGETHER = 64
const UNWRAP_TARGET_MS = 0.5
const RECORDED = 1_000
/** An entry of the log with its header, about. */
const COMMIT_BYTES = 1_024
const RAW_BYTES = 4_194_304
const binding = { tenant: 'default', resource: 'bench', purpose: 'bench' } as const

/** SoftHSM computes on this processor: what is measured is the way to a token and back, not an HSM. Without it there is no figure. */
export const benchmark = {
  name: 'hsm',
  async run(): Promise<readonly Row[]> {
    const soft = newSoftHsm()
    try {
      const provider = await openPkcs11Provider(soft.config, { folder: new MemoryFolder(), clock: systemClock, resolveSecret })
      try {
        const { wrapped } = await provider.generateDataKey('dataset', binding)
        let best = { p50: Number.POSITIVE_INFINITY, p99: Number.POSITIVE_INFINITY }
        for (let round = 0; round < ROUNDS; round++) {
          const times: number[] = []
          for (let i = 0; i < UNWRAPS; i++) {
            const started = performance.now()
            await provider.unwrap(wrapped)
            times.push(performance.now() - started)
          }
          const p99 = percentile(
            times.toSorted((a, b) => a - b),
            0.99,
          )
          if (p99 < best.p99) best = { p50: median(times), p99 }
        }
        const started = performance.now()
        for (let i = 0; i < UNWRAPS / TOGETHER; i++) await Promise.all(Array.from({ length: TOGETHER }, () => provider.unwrap(wrapped)))
        const rate = UNWRAPS / ((performance.now() - started) / 1_000)
        const what = 'SoftHSM unwrap over the process that asks it, one after the other'
        return [
          {
            what: `${what}, p99`,
            value: best.p99,
            unit: 'ms',
            target: UNWRAP_TARGET_MS,
            comparator: '<=',
            note: `best of ${ROUNDS} rounds`,
          },
          { what: `${what}, p50`, value: best.p50, unit: 'ms', target: null, comparator: '<=' },
          { what: `SoftHSM unwraps, ${TOGETHER} at the same time`, value: rate, unit: '/s', target: null, comparator: '>=' },
          ...(await recorded(soft.config)),
        ]
      } finally {
        provider.close()
      }
    } finally {
      soft.dispose()
    }
  },
}

interface Times {
  readonly p50: number
  readonly p99: number
}

/**
 * The unwrap as the server makes it: asked of the token, then durable in the log before the key is given out. Beside it what one commit of
 * the same bytes costs in a file of the same folder, preallocated as the log's; the two are measured in turn, so that both meet the same disk.
 */
async function recorded(provider: ProviderConfig): Promise<readonly Row[]> {
  const root = mkdtempSync(join(tmpdir(), 'redoubt-bench-hsm-'))
  const database = openDatabase(join(root, 'keys.db'))
  const keyring = await openKeyring({
    folder: nodeFolder(join(root, 'keys')),
    database,
    provider,
    clock: systemClock,
    unwrapCache: { ttlMs: 0, uses: 0 },
  })
  const log = await openAuditLog({
    folder: nodeFolder(join(root, 'log')),
    parallelWriter: parallelWriter(join(root, 'log')),
    signer: keyring.checkpointSigner,
    sealer: keyring.sealer,
    searchKey: keyring.searchKey,
    indexPath: join(root, 'audit-index.db'),
    origin: 'bench.test/log',
    clock: systemClock,
    instance: 'bench',
  })
  const file = nodeFolder(root).open('raw', { create: true })!
  try {
    file.writeAt(new Uint8Array(RAW_BYTES), 0)
    file.datasync()
    const keys = keyring.keys(log)
    const use = { principal: { type: 'System', id: 'bench' }, purpose: 'bench', resource: { type: 'System', id: 'bench' } } as const
    const { wrapped } = await keys.generateDataKey('configuration', 'bench', use)
    let unwrap: Times = { p50: Number.POSITIVE_INFINITY, p99: Number.POSITIVE_INFINITY }
    let commit = unwrap
    for (let round = 0; round < ROUNDS; round++) {
      const unwraps: number[] = []
      const commits: number[] = []
      for (let i = 0; i < RECORDED; i++) {
        const before = performance.now()
        await keys.unwrap(wrapped, use)
        const between = performance.now()
        file.writeAt(new Uint8Array(COMMIT_BYTES).fill(i), (i * COMMIT_BYTES) % RAW_BYTES)
        file.datasync()
        unwraps.push(between - before)
        commits.push(performance.now() - between)
      }
      const times = (all: readonly number[]): Times => ({
        p50: median(all),
        p99: percentile(
          all.toSorted((a, b) => a - b),
          0.99,
        ),
      })
      // Of one and the same round: a disk that was slow is slow for both.
      if (times(unwraps).p99 < unwrap.p99) [unwrap, commit] = [times(unwraps), times(commits)]
    }
    const what = 'SoftHSM unwrap with its record in the log'
    const raw = 'a commit of as many bytes to that disk (write and fdatasync)'
    return [
      {
        what: `${what}, p99`,
        value: unwrap.p99,
        unit: 'ms',
        target: UNWRAP_TARGET_MS + commit.p99,
        comparator: '<=',
        note: `target: ${UNWRAP_TARGET_MS} ms and one commit as measured beside; best of ${ROUNDS} rounds`,
      },
      { what: `${raw}, p99`, value: commit.p99, unit: 'ms', target: null, comparator: '<=' },
      { what: `${what}, p50`, value: unwrap.p50, unit: 'ms', target: null, comparator: '<=' },
      { what: `${raw}, p50`, value: commit.p50, unit: 'ms', target: null, comparator: '<=' },
    ]
  } finally {
    file.close()
    await log.close()
    keyring.close()
    await database.close()
    rmSync(root, { recursive: true, force: true })
  }
}
