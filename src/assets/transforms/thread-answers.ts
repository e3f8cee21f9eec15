import type { KeyObject } from 'node:crypto'
import { type AuditEvent, type AuditSink, RedoubtError } from '#foundation/core'
import type { WrappedKey } from '#foundation/crypto'
import type { SealJob } from '#assets/datasets'
import type { Keys, KeyUse } from '#trust/keys'
import type { WorkQuestion } from './worker-port.ts'

interface AnswerPorts {
  readonly keys: Pick<Keys, 'unwrap' | 'generateDataKey'>
  readonly audit: AuditSink
}

/** A version that the thread may open, and the use that its keys are recorded under. */
interface OpenedSource {
  readonly version: { readonly id: string }
  readonly use: KeyUse
}

/**
 * What a thread is answered: keys of the versions that it was given and of the one that it makes, and nothing else, whatever it asks for.
 * @param target name of the data set that it makes a version of.
 * @throws {RedoubtError} by the promise: `ERR_INTERNAL` for anything else; what keys and audit throw.
 */
export function answersFor(
  { keys, audit }: AnswerPorts,
  sources: readonly OpenedSource[],
  { id, use, place }: SealJob,
  target: string,
): (question: WorkQuestion) => Promise<unknown> {
  return async (question) => {
    switch (question.ask) {
      case 'unwrap':
        return await unwrapped(question.wrapped as WrappedKey)
      case 'generate':
        if (!question.resource.startsWith(`dataset/${id}/`))
          throw new RedoubtError('ERR_INTERNAL', 'a thread asked for a key of another version')
        return await keys.generateDataKey({ keyClass: 'dataset', name: target }, question.resource, use)
      case 'record':
        // That it reads is all that it has to tell.
        if ((question.event as AuditEvent).type !== 'data.read') throw new RedoubtError('ERR_INTERNAL', 'a thread told of something else')
        return await audit.record(question.event as AuditEvent)
      default:
        return await place()
    }
  }

  /** Used by whoever runs the transform. */
  async function unwrapped(wrapped: WrappedKey): Promise<KeyObject> {
    const source = sources.find(({ version }) => wrapped.binding.resource.startsWith(`dataset/${version.id}/`))
    if (!source) throw new RedoubtError('ERR_INTERNAL', 'a thread asked for a key of what it was not given')
    return await keys.unwrap(wrapped, source.use)
  }
}
