import type { Obligations, ReviewWish } from '#foundation/core'
import type { WholeServed } from './surface.ts'

/** Whether policy wants a person to look at this answer. One that cannot be told by its outputs is looked at. */
export function wantsReview(wish: ReviewWish | undefined, served: WholeServed): boolean {
  if (wish === undefined) return false
  if (wish === 'always' || served.hasValue === undefined) return true
  for (const { output, value } of wish) if (served.hasValue(output, value) !== false) return true
  return false
}

/** Whether the policies now want looked at what was not before. */
export function wantsMoreReview({ review: now }: Obligations, { review: before }: Obligations): boolean {
  if (now === undefined || before === 'always') return false
  if (now === 'always' || before === undefined) return true
  return now.some(({ output, value }) => !before.some((wish) => wish.output === output && wish.value === value))
}
