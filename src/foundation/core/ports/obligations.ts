import type { FilterAction } from '../filter-actions.ts'
import type { ColumnMask } from '../row-access.ts'
import type { ToolRules } from '../tool-rules.ts'

/** At most `amount` of `unit` in any rolling window of `windowMs`. */
export interface LimitRule {
  readonly unit: 'requests' | 'rows' | 'tokens'
  readonly amount: number
  readonly windowMs: number
}

/**
 * Which answers of a model a person has to look at, whatever the filters find: `always`, or the answers of which any row of an output,
 * by its name, has a value, as text (`1`, `true`, `refused`).
 */
export type ReviewWish = 'always' | readonly { readonly output: string; readonly value: string }[]

/** Kinds of input that no text filter can look into. */
export const UNREADABLE_KINDS = ['token_ids', 'image', 'audio', 'video', 'file'] as const
export type UnreadableKind = (typeof UNREADABLE_KINDS)[number]

/** Where texts of a request come from that nobody vouches for. In the order of the alphabet. */
export const UNTRUSTED_ORIGINS = ['document', 'tool_result'] as const
export type UntrustedOrigin = (typeof UNTRUSTED_ORIGINS)[number]

/** What is asked for against texts that steer a language model. */
export interface ModelGuards {
  /** What happens to a request with such a text: refused, or counted; left out where nobody looks. */
  readonly injection?: 'block' | 'log'
  /** Texts of these origins are marked towards the model as data; left out where none are. */
  readonly markUntrusted?: readonly UntrustedOrigin[]
  /** A marker is planted in the system prompt, and an answer that shows it is cut; left out where none is. */
  readonly canary?: boolean
}

/** What must be done with the answer, added up over all satisfied permits, the strictest winning. */
export interface Obligations extends ModelGuards, ToolRules {
  /** Action per recogniser entity (`EMAIL_ADDRESS`, `CREDIT_CARD`, …); `default` applies to entities not named. */
  readonly filterInput: Readonly<Record<string, FilterAction>>
  readonly filterOutput: Readonly<Record<string, FilterAction>>
  /** Entities whose tokens are turned back in what the caller gets, or `all`; left out where none are. */
  readonly restore?: readonly string[]
  /** Whether findings are counted by what would be done and nothing is done; left out where filters act. */
  readonly filterMode?: 'dry_run'
  readonly limits: readonly LimitRule[]
  /** Most rows one call may carry; null is no bound of this kind. */
  readonly maxRowsPerCall: number | null
  /** Kinds of input that may pass although no filter can read them; left out where none may. */
  readonly unreadInput?: readonly UnreadableKind[]
  /** Answers that wait for a person. Left out where no policy asks for it. */
  readonly review?: ReviewWish
  /** Masks of columns of a data set by name; `default` applies to columns not named. Left out where no policy speaks of columns. */
  readonly columns?: Readonly<Record<string, ColumnMask>>
}
