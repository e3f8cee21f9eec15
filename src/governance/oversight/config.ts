import { z } from 'zod'

const DEFAULT_DUE_MINUTES = 60
const DEFAULT_EXPIRY_HOURS = 24
const DEFAULT_ANSWER_HOURS = 72
const DEFAULT_ITEMS = 1_000
const DEFAULT_MEGABYTES = 64

export const oversightConfig = z.strictObject({
  dueMinutes: z
    .number()
    .int()
    .min(1)
    .max(10_080)
    .default(DEFAULT_DUE_MINUTES)
    .describe('somebody should have looked at what waits within this time; then the alert `review.overdue` is raised'),
  expiryHours: z
    .number()
    .int()
    .min(1)
    .max(720)
    .default(DEFAULT_EXPIRY_HOURS)
    .describe('what nobody has looked at within this time is refused, and its content is gone'),
  answerHours: z
    .number()
    .int()
    .min(1)
    .max(720)
    .default(DEFAULT_ANSWER_HOURS)
    .describe('how long a released answer can be fetched, and a released request be sent again'),
  waitSeconds: z
    .number()
    .int()
    .min(0)
    .max(300)
    .default(0)
    .describe('how long a call waits for a reviewer before it is refused; 0: it is refused at once, and the answer is fetched later'),
  maxItems: z.number().int().min(1).max(100_000).default(DEFAULT_ITEMS).describe('reviews that may wait; one caller may have half of them'),
  maxMegabytes: z.number().int().min(1).max(4_096).default(DEFAULT_MEGABYTES).describe('what is held for reviews, in all'),
})

export type OversightConfig = z.output<typeof oversightConfig>
