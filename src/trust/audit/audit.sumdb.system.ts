import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { nodeFolder } from '#foundation/storage'
import { openTestLog, seededRandom, testEvent } from './audit-testing.ts'
import { openCheckpoint } from './checkpoint.ts'
import { parallelWriter } from './parallel-writer.ts'
import { consistencyProof } from './prove-merkle.ts'
import { tileNodes } from './tile-reader.ts'
import { parseProof } from './tlog-proof.ts'

const SEED = Number(process.env['REDOUBT_SEED'] ?? Date.now() % 1_000_000)
const GO = process.env['REDOUBT_GO'] ?? 'go'
const SIZE = 70_123
const RECORDS = 1_500
const SIZES = [1, 2, 255, 256, 257, 3_051, 4_096, 65_536, 65_537, SIZE]

const root = mkdtempSync(join(tmpdir(), 'redoubt-sumdb-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))

describe(`Go's sumdb (seed ${SEED})`, () => {
  it(`accepts our checkpoint, ${RECORDS} inclusion proofs and every consistency proof (E5)`, async () => {
    const random = seededRandom(SEED)
    const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64')
    const log = await openTestLog({
      folder: nodeFolder(join(root, 'log')),
      parallelWriter: parallelWriter(join(root, 'log')),
      segmentBytes: 4_194_304,
    })
    const roots = new Map<number, Uint8Array>()
    for (const size of SIZES) {
      const batch: Promise<unknown>[] = []
      for (let i = log.size(); i < size; i++)
        batch.push(i % 50 === 0 ? log.record(testEvent({ requestId: `req_${i}` })) : log.append(Buffer.from(`leaf ${i}`)))
      await Promise.all(batch)
      roots.set(size, openCheckpoint(await log.publish(), log.verifierKey()).root)
    }
    const records: string[] = []
    for (let i = 0; i < RECORDS; i++) {
      const index = i < 2 ? i * (SIZE - 1) : Math.floor(random() * SIZE)
      const { proof, entry } = await log.prove(index)
      records.push([index, base64(Buffer.from(entry)), ...parseProof(proof)!.path.map(base64)].join(' '))
    }
    const nodes = tileNodes(SIZE, (path) => log.resource(path))
    const trees = SIZES.flatMap((old) =>
      SIZES.filter((size) => size >= old).map((size) =>
        [old, base64(roots.get(old)!), size, base64(roots.get(size)!), ...consistencyProof(old, size, nodes).map(base64)].join(' '),
      ),
    )
    for (const [name, content] of Object.entries({
      vkey: log.verifierKey(),
      checkpoint: log.checkpoint(),
      records: records.join('\n'),
      trees: trees.join('\n'),
    }))
      writeFileSync(join(root, name), content)
    await log.close()
    const judge = new URL('../../../test/judges/sumdb/main.go', import.meta.url).pathname
    const environment = { ...process.env, GO111MODULE: 'off', GOPATH: '/usr/share/gocode', GOCACHE: join(root, 'cache'), GOFLAGS: '' }
    const output = execFileSync(GO, ['run', judge, root], { env: environment, encoding: 'utf8' })
    console.log(output.trim())
    expect(JSON.parse(output)).toEqual({ size: SIZE, records: RECORDS, trees: (SIZES.length * (SIZES.length + 1)) / 2 })
  })
})
