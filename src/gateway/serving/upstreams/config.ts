import { SENSITIVITIES } from '#foundation/core'
import { z } from 'zod'
import { isLoopbackName } from './loopback.ts'

/** Long enough for a handshake across the world, short enough that a dead upstream is noticed before the client gives up. */
export const DEFAULT_CONNECT_TIMEOUT_MS = 5_000
/** A large model may think for minutes before the first byte of a JSON answer. */
export const DEFAULT_HEADERS_TIMEOUT_MS = 120_000
/** Between two chunks: streams of reasoning models pause, but not for longer than this. */
export const DEFAULT_CHUNK_TIMEOUT_MS = 60_000
/** From dispatch to the last byte; also frees what a client that stopped reading holds. */
export const DEFAULT_TOTAL_TIMEOUT_MS = 600_000
/** A JSON answer is held in memory until it is filtered. */
export const DEFAULT_MAX_RESPONSE_BYTES = 8 * 1024 * 1024
/** A streamed answer is never held whole; this bounds a runaway upstream. */
export const DEFAULT_MAX_STREAM_BYTES = 64 * 1024 * 1024

const secretReference = z.string().regex(/^(env:[A-Za-z_][A-Za-z0-9_]*|file:.+|kms:.+)$/, 'must be a reference: `env:NAME` or `file:PATH`')
const timeoutMs = z.int().min(10).max(3_600_000)

/** A name for policies to compare with; no more than that. */
const place = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9 ._-]{0,127}$|^$/)

/** Once: the caller's own retries multiply with these. */
export const DEFAULT_RETRIES = 1
const MAX_RETRIES = 3
const MAX_FALLBACKS = 8

/** What an upstream speaks. Requests are not translated from one to the other. */
export const UPSTREAM_APIS = ['openai', 'anthropic'] as const
export type UpstreamApi = (typeof UPSTREAM_APIS)[number]

export const upstreamSchema = z
  .strictObject({
    api: z
      .enum(UPSTREAM_APIS)
      .default('openai')
      .describe('what the upstream speaks: `openai` (chat completions, completions, embeddings, responses) or `anthropic` (messages)'),
    baseUrl: z.url().describe('base address of the API, such as `https://api.openai.com/v1` or `https://api.anthropic.com/v1`'),
    apiKey: secretReference.optional().describe('reference to the credential; left out for an upstream that needs none'),
    agreement: z
      .strictObject({
        reference: z.string().min(1).max(256).describe('where the agreement is filed'),
        expires: z.iso.date().describe('its last day, such as `2027-06-30` (UTC)'),
      })
      .optional()
      .describe(
        'the agreement with whoever runs it (data processing, business associate); only an upstream with one in force is a fallback',
      ),
    vendor: place.default('').describe('who runs it, as policies name them (`resource.vendor`)'),
    region: place.default('').describe('where it runs, as policies name it (`resource.region`)'),
    retries: z
      .int()
      .min(0)
      .max(MAX_RETRIES)
      .default(DEFAULT_RETRIES)
      .describe(
        'how often a request is sent again to the same upstream when it cannot have been answered: no connection, reset or 502, 503, 529 before the first byte',
      ),
    ca: secretReference.optional().describe('reference to PEM certificates that replace the system roots for this upstream'),
    organization: z
      .string()
      .regex(/^[\x21-\x7e]{1,128}$/)
      .optional()
      .describe('value of the `openai-organization` header'),
    project: z
      .string()
      .regex(/^[\x21-\x7e]{1,128}$/)
      .optional()
      .describe('value of the `openai-project` header'),
    allowLoopbackHttp: z.boolean().default(false).describe('allows plain http for this upstream, and only to this machine'),
    sandbox: z.boolean().default(false).describe('marks an upstream that is no real model'),
    connectTimeoutMs: timeoutMs.default(DEFAULT_CONNECT_TIMEOUT_MS).describe('connection and TLS handshake'),
    headersTimeoutMs: timeoutMs.default(DEFAULT_HEADERS_TIMEOUT_MS).describe('from the request to the first byte of the answer'),
    chunkTimeoutMs: timeoutMs.default(DEFAULT_CHUNK_TIMEOUT_MS).describe('between two chunks of an answer'),
    totalTimeoutMs: timeoutMs.default(DEFAULT_TOTAL_TIMEOUT_MS).describe('the whole exchange'),
    maxResponseBytes: z
      .int()
      .min(1024)
      .max(1024 ** 3)
      .default(DEFAULT_MAX_RESPONSE_BYTES)
      .describe('largest answer in one piece; it is held in memory until it is filtered'),
    maxStreamBytes: z
      .int()
      .min(1024)
      .max(1024 ** 3)
      .default(DEFAULT_MAX_STREAM_BYTES)
      .describe('largest streamed answer'),
  })
  .superRefine((upstream, context) => {
    if (!URL.canParse(upstream.baseUrl)) return
    const reason = refuseBaseUrl(new URL(upstream.baseUrl), upstream.allowLoopbackHttp)
    if (reason !== null) context.addIssue({ code: 'custom', path: ['baseUrl'], message: reason })
  })

const sensitivity = z.enum(SENSITIVITIES)
const purposes = z.array(z.string().min(1).max(128)).max(64)

const fallbackSchema = z.strictObject({
  upstream: z.string().describe('name of an entry of `upstreams`, with an agreement on record'),
  model: z.string().min(1).max(256).describe('name of the model there'),
  sensitivity: sensitivity.optional().describe('most sensitive data it may receive; that of the model unless named'),
  purposes: purposes.optional().describe('purposes it may be used for; those of the model unless named'),
})

export const chatModelSchema = z.strictObject({
  upstream: z.string().describe('name of an entry of `upstreams`'),
  model: z.string().min(1).max(256).describe('name of the model at the upstream'),
  sensitivity: sensitivity.default('internal').describe('most sensitive data this route may receive'),
  purposes: purposes.default([]).describe('purposes the route may be used for; none named: any stated purpose'),
  fallbacks: z
    .array(fallbackSchema)
    .max(MAX_FALLBACKS)
    .default([])
    .describe('asked in this order when the upstream does not answer, each only if the policies let this very request go there'),
})

/** Named upstreams, and the public model names that lead to them. */
export const upstreamsSchema = z
  .strictObject({
    upstreams: z
      .record(z.string().regex(/^[a-z0-9][a-z0-9._-]{0,63}$/), upstreamSchema)
      .default({})
      .describe('language-model servers by name'),
    models: z
      .record(z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}$/), chatModelSchema)
      .default({})
      .describe('the public model names, each leading to an upstream'),
  })
  .superRefine((config, context) => {
    for (const [name, model] of Object.entries(config.models)) {
      if (!Object.hasOwn(config.upstreams, model.upstream)) {
        context.addIssue({ code: 'custom', path: ['models', name, 'upstream'], message: 'names no entry of `upstreams`' })
      }
      for (const [i, fallback] of model.fallbacks.entries()) {
        const reason = refuseFallback(config.upstreams, model.upstream, fallback.upstream)
        if (reason !== null) context.addIssue({ code: 'custom', path: ['models', name, 'fallbacks', i, 'upstream'], message: reason })
      }
    }
  })

export type UpstreamConfig = z.output<typeof upstreamSchema>
export type UpstreamsConfig = z.output<typeof upstreamsSchema>

/** @returns why an upstream is no fallback for another, or null. Whether its agreement is in force is asked when it is needed. */
function refuseFallback(upstreams: Readonly<Record<string, UpstreamConfig>>, first: string, name: string): string | null {
  const upstream = Object.hasOwn(upstreams, name) ? upstreams[name] : undefined
  if (upstream === undefined) return 'names no entry of `upstreams`'
  if (upstream.agreement === undefined) return 'has no `agreement` on record, so nothing falls back to it'
  return upstream.api === upstreams[first]?.api ? null : 'speaks another API than the upstream of the model'
}

/** @returns why the address is not acceptable, or null. Plain http needs the upstream's own permission and a loopback name. */
export function refuseBaseUrl(url: URL, allowLoopbackHttp: boolean): string | null {
  if (url.username !== '' || url.password !== '') return 'must not hold credentials: use `apiKey`'
  if (url.search !== '' || url.hash !== '') return 'must not hold a query or a fragment'
  if (url.protocol === 'https:') return null
  if (url.protocol !== 'http:') return 'must be https'
  if (!isLoopbackName(url.hostname)) return 'must be https: plain http is accepted for loopback addresses only'
  return allowLoopbackHttp ? null : 'must be https: plain http to this machine needs `allowLoopbackHttp: true` on this upstream'
}
