import { RedoubtError, type ReviewState } from '#foundation/core'

/** Why what was held for a person does not go on; names the review, so that whoever is refused can ask for it. */
export function refusalOfReview(state: ReviewState, review: string): RedoubtError {
  const evidence = { review }
  switch (state) {
    case 'rejected':
      return new RedoubtError('ERR_REVIEW_REJECTED', `a person looked at this and refused it: review \`${review}\``, { evidence })
    case 'expired':
      return new RedoubtError('ERR_REVIEW_EXPIRED', `nobody looked at this in time, so it is refused: review \`${review}\``, { evidence })
    case 'overridden':
      return new RedoubtError('ERR_REVIEW_OVERRIDDEN', `a person decided otherwise than the model: review \`${review}\``, { evidence })
    default:
      return new RedoubtError('ERR_REVIEW_PENDING', `a person has to look at this first: review \`${review}\``, { evidence })
  }
}
