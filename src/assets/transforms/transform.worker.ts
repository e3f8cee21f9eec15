import { parentPort } from 'node:worker_threads'
import { asRedoubtError, type AuditEvent, RedoubtError } from '#foundation/core'
import type { DataKey, WrappedKey } from '#foundation/crypto'
import { nodeFolder } from '#foundation/storage'
import type { VersionPlace } from '#assets/datasets'
import type { KeyUse } from '#trust/keys'
import { transformWork } from './transform-work.ts'
import { type FromWorker, told, type ToWorker, type WorkQuestion } from './worker-port.ts'

interface Waiting {
  readonly resolve: (answer: unknown) => void
  readonly reject: (error: RedoubtError) => void
}

// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread's port has no origin
const say = (message: FromWorker): void => parentPort?.postMessage(message)
const waiting = new Map<number, Waiting>()
let asked = 0

function ask<T>(question: WorkQuestion): Promise<T> {
  return new Promise((resolve, reject) => {
    const number = ++asked
    waiting.set(number, { resolve: resolve as (answer: unknown) => void, reject })
    say({ kind: 'question', number, question })
  })
}

parentPort?.on('message', (message: ToWorker) => {
  if (message.kind === 'work') {
    void run(message)
    return
  }
  const { resolve, reject } = waiting.get(message.number)!
  waiting.delete(message.number)
  if (message.kind === 'answer') resolve(message.answer)
  else reject(new RedoubtError(message.error.code, message.error.message, { evidence: message.error.evidence }))
})

async function run({ work, objects }: Extract<ToWorker, { kind: 'work' }>): Promise<void> {
  try {
    const done = await transformWork(work, {
      objects: nodeFolder(objects),
      keys: {
        unwrap: (wrapped: WrappedKey, use: KeyUse) => ask({ ask: 'unwrap', wrapped, use }),
        generateDataKey: (_owner, resource) => ask<DataKey>({ ask: 'generate', resource }),
      },
      audit: { record: (event: AuditEvent) => ask({ ask: 'record', event }) },
      place: () => ask<VersionPlace>({ ask: 'place' }),
      // The engine of policies is large: it is there where a policy reaches into rows.
      revive: async (condition) => (await import('#trust/policy')).revivedCondition(condition),
      progress: (rows) => say({ kind: 'progress', rows }),
    })
    say({ kind: 'done', done })
  } catch (thrown) {
    say({ kind: 'failed', error: told(asRedoubtError(thrown, 'ERR_TRANSFORM_FAILED')) })
  }
}
