/**
 * A policy could not be evaluated for this request: a type error, a missing attribute, an overflow. Cedar then skips the policy
 * and reports it; `decide` refuses. Never leaves the room.
 */
export class EvaluationFailure extends Error {
  constructor(reason: string) {
    super(reason)
    this.name = 'EvaluationFailure'
  }
}

export function fail(reason: string): never {
  throw new EvaluationFailure(reason)
}
