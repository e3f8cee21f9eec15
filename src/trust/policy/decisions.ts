import type { Action, ColumnMask, Decision, RowCondition } from '#foundation/core'
import type { Failed } from './authorize.ts'
import { EvaluationFailure } from './evaluation-failure.ts'
import { mergeObligations, NO_OBLIGATIONS } from './obligations.ts'
import type { LoadedRule } from './policy-set.ts'
import type { OpenPolicy } from './reduced-rules.ts'
import type { PolicyRequest } from './request.ts'
import { rowConditionOf } from './row-condition.ts'

/** Policies that apply to some rows of the data set asked for, with what is left of their conditions. */
export interface OpenPolicies {
  readonly forbids: OpenPolicy[]
  readonly permits: OpenPolicy[]
}

/** Whoever may see a data set masked only sees of a column what a policy says outright. */
const unsaidMask = (action: Action): ColumnMask => (action === 'viewMasked' ? 'redact' : 'keep')

// Combinations of satisfied permits met so far; beyond them a decision is built anew.
const MAX_COMBINATIONS = 4096

/** What a set of policies answers, by the policies that determined it. */
export class Decisions {
  readonly #digest: string
  readonly #combinations = new Map<string, Decision>()
  /** For whatever could not be decided. */
  readonly unanswerable: Decision

  /** @param digest of the set of policies. */
  constructor(digest: string) {
    this.#digest = digest
    this.unanswerable = this.#deny([], [], 'ERR_POLICY_ERROR')
  }

  erred(reasons: readonly LoadedRule[], failed: readonly Failed<LoadedRule>[]): Decision {
    return this.#deny(
      reasons.map((rule) => rule.id),
      failed.map(({ rule }) => rule.id).sort(),
      'ERR_POLICY_ERROR',
    )
  }

  /** An allow for the rows for which what is left of the policies says so; a deny where no row can be permitted. */
  forSomeRows(action: Action, request: PolicyRequest, permitting: readonly LoadedRule[], open: OpenPolicies): Decision {
    const permits = [...permitting, ...open.permits.map(({ rule }) => rule)]
    if (permits.length === 0) return this.combined(action, [], false)
    let rows: RowCondition
    try {
      rows = rowConditionOf({ permitted: permitting.length > 0, forbids: sorted(open.forbids), permits: sorted(open.permits) }, request)
    } catch (thrown) {
      if (!(thrown instanceof EvaluationFailure)) throw thrown
      return this.#deny([], [...open.forbids, ...open.permits].map(({ id }) => id).sort(), 'ERR_POLICY_ERROR')
    }
    const ids = [...permits, ...open.forbids].map(({ id }) => id).sort()
    return Object.freeze({
      effect: 'allow',
      policies: Object.freeze(ids),
      errors: Object.freeze([]),
      code: null,
      // Of all permits that may apply to a row, so that no row is shown under fewer masks than its permits ask for.
      obligations: mergeObligations(
        permits.map((rule) => rule.annotations.obligations),
        unsaidMask(action),
      ),
      rows,
      policySet: this.#digest,
    })
  }

  /** A decision depends on nothing but the policies that determined it, so it is built once for each combination of them. */
  combined(action: Action, reasons: readonly LoadedRule[], forbidden: boolean): Decision {
    let key = reasons.length === 1 ? (reasons[0]?.id ?? '') : reasons.map((rule) => rule.id).join('\n')
    const unsaid = unsaidMask(action)
    if (unsaid !== 'keep') key = `${unsaid}\n${key}`
    const known = this.#combinations.get(key)
    if (known) return known
    const ids = reasons.map((rule) => rule.id)
    let decision: Decision
    if (forbidden) {
      decision = this.#deny(
        ids,
        [],
        reasons.every((rule) => rule.annotations.refusal === 'purpose') ? 'ERR_POLICY_PURPOSE' : 'ERR_POLICY_DENIED',
      )
    } else if (reasons.length === 0) {
      decision = this.#deny([], [], 'ERR_POLICY_DENIED')
    } else {
      decision = Object.freeze({
        effect: 'allow',
        policies: Object.freeze(ids),
        errors: Object.freeze([]),
        code: null,
        obligations: mergeObligations(
          reasons.map((rule) => rule.annotations.obligations),
          unsaid,
        ),
        policySet: this.#digest,
      })
    }
    if (this.#combinations.size >= MAX_COMBINATIONS) this.#combinations.clear()
    this.#combinations.set(key, decision)
    return decision
  }

  #deny(policies: readonly string[], errors: readonly string[], code: Decision['code']): Decision {
    return Object.freeze({
      effect: 'deny',
      policies: Object.freeze(policies),
      errors: Object.freeze(errors),
      code,
      obligations: NO_OBLIGATIONS,
      policySet: this.#digest,
    })
  }
}

const sorted = (open: readonly OpenPolicy[]): readonly OpenPolicy[] => open.toSorted((left, right) => (left.id < right.id ? -1 : 1))
