import { isIP } from 'node:net'
import { z } from 'zod'
import { secretReference } from '#foundation/config'
import { ALERT_SEVERITIES } from '#foundation/core'

/** A quarter of an hour: long enough to make one alert of a storm, short enough that what goes on is told again. */
const DEFAULT_WINDOW_SECONDS = 900
const DEFAULT_RETENTION_DAYS = 90
/** Some 5 MB of SQLite. */
const DEFAULT_MAX_KEPT = 10_000
/** Waits double from 5 s to 10 minutes, so this is a day of trying. */
const DEFAULT_MAX_ATTEMPTS = 150
/** Identity counts floods by the minute; fifty wrong tokens in two minutes are no one's typing. */
const DEFAULT_AUTHENTICATION_REFUSALS = 50
/** A program that is refused this often in ten minutes is misconfigured or probing. */
const DEFAULT_POLICY_REFUSALS = 20
const SMTP_PORT = 587

const placeName = z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/, 'lower case letters, digits and dashes, at most 63')
const minSeverity = z.enum(ALERT_SEVERITIES).default('warning').describe('what is less severe is kept and shown, but not sent here')
const caFile = z.string().min(1).optional().describe('PEM file of the authority of its certificate, if private')
// A line break in an address would begin a new header; a display name is not needed.
const address = z.email().max(254)

/** `localhost` or a literal loopback address: what can be reached without asking a resolver that others control. */
export function isLoopback(host: string): boolean {
  const plain = host.startsWith('[') ? host.slice(1, -1) : host
  return plain === 'localhost' || plain === '::1' || (isIP(plain) === 4 && plain.startsWith('127.'))
}

const webhook = z
  .strictObject({
    name: placeName.describe('names the place in `redoubt doctor` and in the log'),
    url: z.url().max(2048).describe('https address that receives the alerts'),
    secret: secretReference.describe('reference to the signing secret, `whsec_` and 24 to 64 bytes in base64 (Standard Webhooks)'),
    previousSecret: secretReference.optional().describe('signs beside the new secret while the receiver changes over'),
    ca: caFile,
    minSeverity,
    allowLoopbackHttp: z.boolean().default(false).describe('allows plain http, and only to this machine'),
  })
  .superRefine((place, context) => {
    const reason = refuseUrl(place.url, place.allowLoopbackHttp)
    if (reason !== null) context.addIssue({ code: 'custom', path: ['url'], message: reason })
  })

const mail = z
  .strictObject({
    name: placeName.describe('names the place in `redoubt doctor` and in the log'),
    host: z.string().min(1).max(253).describe('mail server that takes the alerts'),
    port: z.number().int().min(1).max(65_535).default(SMTP_PORT).describe('587 for STARTTLS, 465 for TLS from the start'),
    security: z
      .enum(['starttls', 'tls', 'none'])
      .default('starttls')
      .describe('`none` needs `allowLoopbackPlain`; a server that offers no TLS 1.3 is not written to'),
    user: z.string().min(1).max(256).optional().describe('account at the mail server'),
    password: secretReference.optional().describe('reference to its password'),
    from: address.describe('sender'),
    to: z.array(address).min(1).max(20).describe('recipients; use addresses of functions, not of persons'),
    ca: caFile,
    minSeverity,
    allowLoopbackPlain: z.boolean().default(false).describe('allows SMTP without TLS, and only to this machine'),
  })
  .superRefine((place, context) => {
    const plain = place.security === 'none'
    if (plain && !(place.allowLoopbackPlain && isLoopback(place.host)))
      context.addIssue({
        code: 'custom',
        path: ['security'],
        message: 'mail goes over TLS; only a server on this machine may go without, with `allowLoopbackPlain: true`',
      })
    if ((place.user === undefined) !== (place.password === undefined))
      context.addIssue({ code: 'custom', path: ['password'], message: 'user and password go together' })
  })

export const alertsConfig = z
  .strictObject({
    windowSeconds: z
      .number()
      .int()
      .min(1)
      .max(86_400)
      .default(DEFAULT_WINDOW_SECONDS)
      .describe('alerts of one kind and key within this time of the first are one alert with a count'),
    retentionDays: z
      .number()
      .int()
      .min(1)
      .max(3_650)
      .default(DEFAULT_RETENTION_DAYS)
      .describe('how long acknowledged alerts are kept; others stay until someone acknowledges them'),
    maxKept: z
      .number()
      .int()
      .min(10)
      .max(1_000_000)
      .default(DEFAULT_MAX_KEPT)
      .describe('most alerts kept; beyond, acknowledged ones go first, then the least severe and oldest'),
    maxAttempts: z
      .number()
      .int()
      .min(1)
      .max(10_000)
      .default(DEFAULT_MAX_ATTEMPTS)
      .describe('deliveries tried before one is given up; waits double from 5 s to 10 minutes'),
    authenticationRefusals: z
      .number()
      .int()
      .min(1)
      .default(DEFAULT_AUTHENTICATION_REFUSALS)
      .describe('refused authentications in two minutes that raise `authentication.flood`'),
    policyRefusals: z
      .number()
      .int()
      .min(1)
      .max(1_000)
      .default(DEFAULT_POLICY_REFUSALS)
      .describe('refusals of one account by policy in ten minutes that raise `policy.refusals`'),
    webhooks: z.array(webhook).max(16).default([]).describe('receivers of signed webhooks'),
    mail: z.array(mail).max(16).default([]).describe('mail servers and recipients'),
  })
  .superRefine((config, context) => {
    const names = [...config.webhooks, ...config.mail].map(({ name }) => name)
    if (new Set(names).size < names.length) context.addIssue({ code: 'custom', message: 'two places have one name' })
  })

export type AlertsConfig = z.output<typeof alertsConfig>
export type WebhookConfig = AlertsConfig['webhooks'][number]
export type MailConfig = AlertsConfig['mail'][number]

/** @returns why alerts are not sent to this address, or null. */
function refuseUrl(text: string, allowLoopbackHttp: boolean): string | null {
  if (!URL.canParse(text)) return 'must be an address'
  const url = new URL(text)
  if (url.username !== '' || url.password !== '') return 'must not hold credentials: the signature tells the receiver who sends'
  if (url.hash !== '') return 'must not hold a fragment'
  if (url.protocol === 'https:') return null
  if (url.protocol !== 'http:') return 'must be https'
  if (!isLoopback(url.hostname)) return 'must be https: plain http is accepted for loopback addresses only'
  return allowLoopbackHttp ? null : 'must be https: plain http to this machine needs `allowLoopbackHttp: true`'
}
