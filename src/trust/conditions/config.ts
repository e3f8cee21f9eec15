import { z } from 'zod'
import { parseRange } from './address.ts'
import { WEEKDAYS } from './organisation-time.ts'

/** Two weeks show a week's rhythm twice. */
const DEFAULT_LEARNING_DAYS = 14
const DEFAULT_LEARNING_REQUESTS = 500
const DEFAULT_NEW_FOR_HOURS = 24
/** Half of what a month ago was usual still counts: a season is forgotten, a holiday is not. */
const DEFAULT_HALF_LIFE_DAYS = 30
const DEFAULT_ALERT_AT = 70
/** Some 8 kB each. */
const DEFAULT_MAX_PRINCIPALS = 5_000
const MAX_RANGES = 256

/** Quarters of an hour: no zone changes its clock within one, so hours are exact in each. */
const TIME = /^(?:[01]\d|2[0-3]):(?:00|15|30|45)$|^24:00$/

export const rangeText = z
  .string()
  .max(64)
  .refine((text) => parseRange(text) !== null, 'must be an address or a CIDR range without bits beyond its prefix, like `10.20.0.0/16`')

const networkName = z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/, 'lower case letters, digits and dashes, at most 63')

const span = z
  .strictObject({
    days: z.array(z.enum(WEEKDAYS)).min(1).max(7).describe('on which the span begins: `mon`, `tue`, …'),
    from: z.string().regex(TIME, '`HH:MM`, in quarters of an hour').describe('begin, local time'),
    to: z.string().regex(TIME, '`HH:MM`, in quarters of an hour').describe('end; not after `from` means on the next day'),
  })
  .refine(({ from }) => from !== '24:00', 'a span begins before 24:00')

/** Organisations have hours; without spans every hour is one of work. */
export const conditionsConfig = z.strictObject({
  timeZone: z
    .string()
    .optional()
    .refine((zone) => zone === undefined || isTimeZone(zone), 'must be an IANA time zone, like `Europe/Berlin`')
    .describe('IANA zone of the hours below; the organisation’s unless named'),
  workingHours: z.array(span).max(64).default([]).describe('the organisation’s week, `context.workingHours`; always at work when empty'),
  holidays: z.array(z.iso.date()).max(1_000).default([]).describe('local dates, `YYYY-MM-DD`, on which nobody works'),
  networks: z
    .record(networkName, z.array(rangeText).min(1).max(MAX_RANGES))
    .default({})
    .describe('CIDR ranges by name, `context.network`; the longest prefix names an address'),
  countryFile: z
    .string()
    .min(1)
    .optional()
    .describe('`.mmdb` file that tells the country of an address, `context.country`; nothing is looked up elsewhere'),
  learningDays: z
    .number()
    .int()
    .min(1)
    .max(90)
    .default(DEFAULT_LEARNING_DAYS)
    .describe('a caller’s first days, in which what it does is learnt as usual, and nothing of it counts as new'),
  learningRequests: z
    .number()
    .int()
    .min(10)
    .max(1_000_000)
    .default(DEFAULT_LEARNING_REQUESTS)
    .describe('requests after which the learning ends before its days are over'),
  newForHours: z
    .number()
    .int()
    .min(1)
    .max(720)
    .default(DEFAULT_NEW_FOR_HOURS)
    .describe('how long a network or device counts as first seen, unless its person shows fresh factors there'),
  halfLifeDays: z.number().int().min(7).max(365).default(DEFAULT_HALF_LIFE_DAYS).describe('after which what was usual counts half'),
  alertAt: z.number().int().min(30).max(100).default(DEFAULT_ALERT_AT).describe('risk that raises `behaviour.deviation`'),
  maxPrincipals: z
    .number()
    .int()
    .min(100)
    .max(100_000)
    .default(DEFAULT_MAX_PRINCIPALS)
    .describe('callers whose habits are kept; beyond, the one silent longest is forgotten'),
})

export type ConditionsConfig = z.output<typeof conditionsConfig>

function isTimeZone(zone: string): boolean {
  try {
    return new Intl.DateTimeFormat('en-US', { timeZone: zone }).resolvedOptions().timeZone !== ''
  } catch {
    return false
  }
}
