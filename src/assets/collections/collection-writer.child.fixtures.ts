/**
 * Programs that add rows, and versions that are made meanwhile, for the test that kills them: `collection-writer.child.fixtures.ts FOLDER RUN`. Prints
 * `ack PATIENT` for each row that was acknowledged; each row names another person.
 */
import { writeSync } from 'node:fs'
import { flushCompileCache } from 'node:module'
import { APP, COLUMNS, MAKER, VISITS, visit } from './visits.fixtures.ts'
import { openRooms } from './rooms.fixtures.ts'
import { rowsOfObjects } from './row-batch.ts'

const WRITERS = 6
const CUT_MS = 60

const [, , root = '', run = ''] = process.argv
const { collections } = await openRooms(root)
if (collections.get('visits') === null) await collections.create(VISITS)
// It never ends by itself, so the first of them leaves to the others what it was compiled to.
if (run === '0') flushCompileCache()
setInterval(() => void collections.cut('visits', { by: MAKER }).catch(() => undefined), CUT_MS)

await Promise.all(
  Array.from({ length: WRITERS }, async (_, writer) => {
    for (let n = 0; ; n++) {
      const patients = Array.from({ length: 1 + (n % 9) }, (_, i) => `${run}-${writer}-${n}-${i}`)
      const batch = patients.map((patient, i) => ({ ...visit(i), patient }))
      await collections.append('visits', {
        rows: rowsOfObjects(batch, COLUMNS),
        bytes: 100,
        key: `${run}-${writer}-${n}`,
        by: APP,
        purpose: 'care',
      })
      writeSync(1, patients.map((patient) => `ack ${patient}\n`).join(''))
    }
  }),
)
