import { createHmac } from 'node:crypto'
import { request as requestHttp } from 'node:http'
import { request as requestHttps, type RequestOptions } from 'node:https'
import { RedoubtError } from '#foundation/core'
import { HYBRID_ONLY, type OutboundTlsOptions } from '#foundation/crypto'
import { authorityOf } from './authority.ts'
import type { WebhookConfig } from './config.ts'
import { type AlertMessage, type AlertPlace, DeliveryProblem, type PlaceOptions } from './place.ts'

const TIMEOUT_MS = 10_000
const SECRET_PREFIX = 'whsec_'
const MIN_SECRET_BYTES = 24
const MAX_SECRET_BYTES = 64
const GONE = 410

/**
 * A receiver of webhooks after Standard Webhooks 1.0.0: HMAC-SHA-256 over id, timestamp and body, in `webhook-signature`, one for
 * each secret. Over TLS 1.3, or over plain http to a literal loopback address. Redirects are not followed: the message has one addressee.
 * @throws {RedoubtError} `ERR_CONFIG_SECRET` when a secret is not of the specification's form.
 * @see https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
 */
export function webhookPlace(config: WebhookConfig, { resolveSecret, clock, tls = HYBRID_ONLY }: PlaceOptions): AlertPlace {
  // Read for each message, so that a secret that was changed is used at once.
  const secrets = (): readonly Uint8Array[] =>
    [config.secret, ...(config.previousSecret === undefined ? [] : [config.previousSecret])].map((reference) =>
      secretBytes(reference, resolveSecret(reference)),
    )
  secrets()
  const url = new URL(config.url)
  const authority = authorityOf(config)
  return {
    name: config.name,
    minSeverity: config.minSeverity,
    async deliver(message, signal) {
      const timestamp = Math.floor(clock.now() / 1_000)
      const headers = {
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(message.body),
        'webhook-id': message.id,
        'webhook-timestamp': String(timestamp),
        'webhook-signature': secrets()
          .map((secret) => sign(secret, message, timestamp))
          .join(' '),
      }
      const options = { ...authority, headers, ...tls(`webhook/${config.name}`) }
      const status = await post(url, options, message.body, AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]))
      if (status < 200 || status > 299) throw new DeliveryProblem(`status ${status}`, { final: status === GONE })
    },
  }
}

function sign(secret: Uint8Array, { id, body }: AlertMessage, timestamp: number): string {
  return `v1,${createHmac('sha256', secret).update(`${id}.${timestamp}.${body}`).digest('base64')}`
}

function secretBytes(reference: string, text: string): Uint8Array {
  const base64 = text.startsWith(SECRET_PREFIX) ? text.slice(SECRET_PREFIX.length) : ''
  const bytes = /^[A-Za-z0-9+/]+={0,2}$/.test(base64) ? Buffer.from(base64, 'base64') : Buffer.alloc(0)
  if (bytes.byteLength < MIN_SECRET_BYTES || bytes.byteLength > MAX_SECRET_BYTES)
    throw new RedoubtError(
      'ERR_CONFIG_SECRET',
      `\`${reference}\` is no webhook secret: write \`whsec_\` and ${MIN_SECRET_BYTES} to ${MAX_SECRET_BYTES} random bytes in base64`,
    )
  return bytes
}

/** The status alone: what a receiver says in its body is of no use here, and not read. */
function post(url: URL, options: RequestOptions & OutboundTlsOptions, body: string, signal: AbortSignal): Promise<number> {
  const plain = url.protocol === 'http:'
  const send = plain ? requestHttp : requestHttps
  return new Promise((resolve, reject) => {
    const request = send(
      url,
      {
        method: 'POST',
        agent: false,
        signal,
        ...options,
        ...(plain ? { lookup: loopbackLookup } : {}),
      },
      (response) => {
        resolve(response.statusCode ?? 0)
        response.destroy()
      },
    )
    request.on('error', (cause) =>
      reject(signal.aborted ? new DeliveryProblem(`no answer within ${TIMEOUT_MS / 1_000} s`, { cause }) : cause),
    )
    request.end(body)
  })
}

/** `localhost` without asking anyone: neither a hosts file nor a resolver can lead a plain-text message off this machine. */
const loopbackLookup: NonNullable<RequestOptions['lookup']> = (_hostname, options, callback) =>
  options.all === true ? callback(null, [{ address: '127.0.0.1', family: 4 }]) : callback(null, '127.0.0.1', 4)
