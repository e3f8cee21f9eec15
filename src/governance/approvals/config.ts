import { z } from 'zod'

/** A working day and the night after it: whoever is asked in the evening answers the next day. */
const DEFAULT_EXPIRY_HOURS = 24
const DEFAULT_MAX_MINUTES = 60
const DEFAULT_REVIEW_HOURS = 24
/** As many as one can look through with care. */
const DEFAULT_CAMPAIGN_DAYS = 14

export const approvalsConfig = z.strictObject({
  expiryHours: z
    .number()
    .int()
    .min(1)
    .max(720)
    .default(DEFAULT_EXPIRY_HOURS)
    .describe('how long an approval request can be approved, and used'),
  breakGlass: z
    .strictObject({
      maxMinutes: z.number().int().min(1).max(60).default(DEFAULT_MAX_MINUTES).describe('longest time of one break-glass grant'),
      reviewHours: z
        .number()
        .int()
        .min(1)
        .max(168)
        .default(DEFAULT_REVIEW_HOURS)
        .describe('another person has to review a grant within this time of its start; then it is told every day'),
      blockUnreviewed: z
        .boolean()
        .default(true)
        .describe(
          'whoever has a grant whose review is overdue gets no new one, and nobody a second one for the same object before the first is reviewed; false only tells of it',
        ),
    })
    .prefault({}),
  accessReviewDays: z
    .number()
    .int()
    .min(1)
    .max(365)
    .default(DEFAULT_CAMPAIGN_DAYS)
    .describe('time for an access review, unless it is started with its own'),
})

export type ApprovalsConfig = z.output<typeof approvalsConfig>
