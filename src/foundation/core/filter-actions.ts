/**
 * What is done to a value that a recogniser found. Made by `#trust/policy` from annotations, obeyed by `#gateway/filters`.
 * - `allow`: it passes, and is not even looked for.
 * - `log`: it passes, and is counted in the record.
 * - `tokenise`: a token stands for it, which those allowed can turn back.
 * - `surrogate`: a made-up value of its form stands for it.
 * - `partial`: a part of it stays, such as the last four digits.
 * - `hash`: a keyed digest stands for it, the same in every call of a tenant.
 * - `mask`: the name of its entity stands for it.
 * - `review`: nothing passes until a person has looked.
 * - `block`: nothing passes.
 */
export const FILTER_ACTIONS = ['allow', 'log', 'tokenise', 'surrogate', 'partial', 'hash', 'mask', 'review', 'block'] as const
export type FilterAction = (typeof FILTER_ACTIONS)[number]

/**
 * By what is let known. `allow` and `log` let the value pass. The next four each leave another thing of it: that it can be had back,
 * its form, a part, that it is the same as in another call. `mask` leaves the kind alone. `review` leaves nothing unless a person who answers for it
 * says so, and `block` leaves nothing.
 */
const STRICTNESS: Readonly<Record<FilterAction, number>> = {
  allow: 0,
  log: 1,
  tokenise: 2,
  surrogate: 2,
  partial: 2,
  hash: 2,
  mask: 3,
  review: 4,
  block: 5,
}

/**
 * The stricter of two actions: what neither of them lets known is not let known by it. Two that each leave another thing of the value
 * leave none of it together, `mask`: were one of them picked, it would leave what the other takes away. The order of any number of actions is no matter.
 */
export function stricterAction(left: FilterAction, right: FilterAction): FilterAction {
  if (left === right) return left
  if (STRICTNESS[left] === STRICTNESS[right]) return 'mask'
  return STRICTNESS[left] > STRICTNESS[right] ? left : right
}
