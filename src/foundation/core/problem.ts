import { ERROR_TABLE } from './error-table.ts'
import type { RedoubtError } from './errors.ts'

/** What to do about it: of what can be approved, the command that asks. */
export function nextOf({ code, evidence }: RedoubtError): string {
  const { approval } = evidence
  return code === 'ERR_APPROVAL_REQUIRED' && typeof approval === 'string'
    ? `run \`redoubt approvals request ${approval} --reason WHY\``
    : ERROR_TABLE[code].next
}

/** RFC 9457 problem details, with the code as an extension member and what to do next. */
export function problemOf(error: RedoubtError, requestId: string): Readonly<Record<string, unknown>> {
  const entry = ERROR_TABLE[error.code]
  const detail = error.code === 'ERR_INTERNAL' ? entry.title : error.message
  return {
    // First, so that nothing in it can stand for a member of the problem.
    ...error.evidence,
    type: `urn:redoubt:error:${error.code}`,
    title: entry.title,
    status: entry.status,
    detail,
    code: error.code,
    next: nextOf(error),
    requestId,
  }
}
