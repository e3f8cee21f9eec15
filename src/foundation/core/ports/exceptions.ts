import type { Action, EntityFacts, EntityUid } from './entities.ts'

export interface ExceptionAsk {
  readonly principal: EntityUid
  readonly action: Action
  /** As the decision sees it: an approver has to be allowed to approve on exactly this. */
  readonly resource: EntityFacts
  /** SHA-256, hex, of what would be done (`payloadDigest` of `#governance/approvals`); null when it cannot be told beforehand. */
  readonly payloadDigest: string | null
}

/** Implemented by `#governance/approvals`: exceptions that lift a no. Synchronous; none but `spend` throws: what is not known is no exception. */
export interface ExceptionSource {
  /** The approval of exactly this with the most people who agreed and still may; null when there is none that can be used. */
  approvals(ask: ExceptionAsk): { readonly id: string; readonly count: number } | null
  /**
   * Takes an approval for one act: durable when it returns, and of two callers one is told false. An approval of an act that only
   * reads stays until it expires.
   * @throws {RedoubtError} `ERR_STORAGE_IO`: then it was not taken.
   */
  spend(id: string, requestId: string): boolean
  /** How many agreed and still may, of an approval that was spent on work under way. */
  stillApproved(id: string, resource: EntityFacts): number
  /** The id of the caller's break-glass grant for exactly this action and resource, while it lasts; else null. */
  breakGlass(ask: Pick<ExceptionAsk, 'principal' | 'action' | 'resource'>): string | null
  /** Counts a use of a grant, for whoever reviews it; the record of the use names the grant. Never throws. */
  noteUse(grant: string): void
}

/** Where there are no exceptions. */
export const NO_EXCEPTIONS: Pick<ExceptionSource, 'breakGlass' | 'noteUse'> = { breakGlass: () => null, noteUse: () => undefined }
