import type { AuditEvent, AuditSink, EntityUid, JsonObject } from '#foundation/core'
import type { Collection } from './collection.ts'

/** Puts on record what is done with a collection. @param type `data.` and the action. @throws what the log throws. */
export function recordCollection(
  audit: AuditSink,
  type: string,
  { name }: Collection,
  by: EntityUid,
  requestId: string | undefined,
  details: JsonObject,
  more: Partial<Pick<AuditEvent, 'purpose' | 'legalBasis' | 'outcome' | 'code'>> = {},
): Promise<unknown> {
  return audit.record({
    type,
    actor: by,
    action: type.slice(type.indexOf('.') + 1),
    resource: { type: 'Dataset', id: name },
    outcome: 'success',
    details: { name, ...details },
    ...more,
    ...(requestId === undefined ? {} : { requestId }),
  })
}
