/**
 * A log writer under load, for the test that kills it: `log-writer.child.fixtures.ts FOLDER RUN`. Prints `open SIZE MS` once,
 * `ack INDEX LEAF` for each acknowledged record and `note BASE64` for each published checkpoint.
 */
import { writeSync } from 'node:fs'
import { flushCompileCache } from 'node:module'
import { nodeFolder } from '#foundation/storage'
import { AppendLog } from './append-log.ts'
import { TEST_ORIGIN, testSigner } from './audit-testing.ts'
import { parallelWriter } from './parallel-writer.ts'

const WRITERS = 40
const CHECKPOINT_MS = 20
const SEGMENT_BYTES = 65_536

const [, , root = '', run = ''] = process.argv
const began = performance.now()
const log = await AppendLog.open({
  folder: nodeFolder(root),
  origin: TEST_ORIGIN,
  signer: testSigner(),
  segmentBytes: SEGMENT_BYTES,
  spareSegments: 2,
  parallelWriter: parallelWriter(root),
})
const tell = (note: string): void => void writeSync(1, `note ${Buffer.from(note).toString('base64')}\n`)
log.onPublished = tell
tell(log.note)
writeSync(1, `open ${log.size} ${(performance.now() - began).toFixed(1)}\n`)
setInterval(() => void log.publish(), CHECKPOINT_MS)
// It never ends by itself, so the first of them leaves to the others what it was compiled to.
if (run === '0') flushCompileCache()

await Promise.all(
  Array.from({ length: WRITERS }, async (_, writer) => {
    for (let n = 0; ; n++) {
      const leaf = `${run}.${writer}.${n}.${'x'.repeat((n * 7 + writer) % 300)}`
      const index = await log.append(Buffer.from(leaf), n % 5 === 0 ? Buffer.from(`body of ${leaf}`) : null)
      writeSync(1, `ack ${index} ${leaf}\n`)
    }
  }),
)
