import { HYBRID_ONLY } from '#foundation/crypto'
import { authorityOf } from './authority.ts'
import type { MailConfig } from './config.ts'
import { type AlertEnvelope, type AlertMessage, type AlertPlace, DeliveryProblem, type PlaceOptions } from './place.ts'

const TIMEOUT_MS = 10_000

/**
 * A mail server that takes alerts as plain text: over TLS 1.3 from the start or by STARTTLS, which the server must offer, or without
 * to a literal loopback address. A repeated delivery bears the same Message-ID.
 * @throws {RedoubtError} `ERR_CONFIG_SECRET` when the password cannot be resolved.
 * @see RFC 5321, RFC 3207, RFC 3834 §5 (auto-submitted)
 */
export function mailPlace(config: MailConfig, { resolveSecret, tls = HYBRID_ONLY }: Omit<PlaceOptions, 'clock'>): AlertPlace {
  const { name, minSeverity, security, from, to, user, password } = config
  const credentials = (): { readonly user: string; readonly pass: string } | undefined =>
    user === undefined || password === undefined ? undefined : { user, pass: resolveSecret(password) }
  credentials()
  const authority = authorityOf(config)
  return {
    name,
    minSeverity,
    async deliver(message, signal) {
      // Loaded by those who send mail.
      const { createTransport } = await import('nodemailer')
      const auth = credentials()
      const transport = createTransport({
        // `localhost` without asking anyone, so that no resolver leads plain text off this machine.
        host: security === 'none' && config.host === 'localhost' ? '127.0.0.1' : config.host,
        port: config.port,
        secure: security === 'tls',
        // INVARIANT: a server that does not offer STARTTLS, or someone in between who hides it, gets no mail.
        requireTLS: security === 'starttls',
        ignoreTLS: security === 'none',
        tls: { ...tls(`mail/${name}`), ...authority },
        ...(auth === undefined ? {} : { auth }),
        connectionTimeout: TIMEOUT_MS,
        greetingTimeout: TIMEOUT_MS,
        socketTimeout: TIMEOUT_MS,
        disableFileAccess: true,
        disableUrlAccess: true,
      })
      const sending = transport.sendMail({ ...mailOf(message, from), from, to: [...to], envelope: { from, to: [...to] } })
      try {
        await Promise.race([sending, aborted(signal)])
      } catch (cause) {
        sending.catch(() => undefined)
        throw problemOf(cause)
      } finally {
        transport.close()
      }
    },
  }
}

function mailOf(
  { id, body }: AlertMessage,
  from: string,
): { subject: string; text: string; messageId: string; headers: Record<string, string> } {
  const { timestamp, data } = JSON.parse(body) as AlertEnvelope
  const lines = [
    data.summary,
    '',
    `severity  ${data.severity}`,
    `kind      ${data.kind}`,
    `about     ${data.subject.type}::${data.subject.id}`,
    `time      ${timestamp}`,
    `alert     ${data.id}`,
    `log       ${data.log}${data.logIndex === undefined ? '' : `, entry ${data.logIndex}`}`,
    ...(data.requestId === undefined ? [] : [`request   ${data.requestId}`]),
    `details   ${JSON.stringify(data.details)}`,
    '',
    `Acknowledge it with: redoubt alerts ack ${data.id}`,
  ]
  return {
    subject: `[redoubt ${data.severity}] ${data.summary}`,
    text: `${lines.join('\n')}\n`,
    messageId: `<${id}@${from.slice(from.lastIndexOf('@') + 1)}>`,
    headers: { 'auto-submitted': 'auto-generated' },
  }
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    const stop = (): void => reject(new DeliveryProblem('the server is stopping'))
    if (signal.aborted) stop()
    else signal.addEventListener('abort', stop, { once: true })
  })
}

/** Codes alone: the words of a mail server can hold addresses and more. */
function problemOf(thrown: unknown): DeliveryProblem {
  if (thrown instanceof DeliveryProblem) return thrown
  const { code, responseCode } = thrown as { code?: unknown; responseCode?: unknown }
  const reply = typeof responseCode === 'number' ? ` (SMTP ${responseCode})` : ''
  return new DeliveryProblem(`${typeof code === 'string' && /^[A-Z_]{1,40}$/.test(code) ? code : 'failed'}${reply}`, { cause: thrown })
}
