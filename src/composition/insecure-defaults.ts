import type { Configuration } from './configuration.ts'

export interface InsecureDefault {
  readonly what: string
  readonly mend: string
}

/** What is convenient in development and unfit for real data; `redoubt doctor` shows each. */
export function insecureDefaults(
  configuration: Configuration,
  facts: { readonly sandbox: boolean; readonly administratorEnrolled: boolean },
): readonly InsecureDefault[] {
  const { profile, passphrase, audit, alerts, chat } = configuration
  const found: InsecureDefault[] = []
  const add = (when: boolean, what: string, mend: string): void => {
    if (when) found.push({ what, mend })
  }
  add(
    profile === 'development',
    'profile `development`: the bootstrap account acts without a person',
    'set `profile: production` before real data come in',
  )
  add(
    passphrase === undefined,
    'the passphrase of the keyring was generated on this host',
    'name a `passphrase:` reference in redoubt.yaml',
  )
  add(
    audit.outsideFolder === undefined && audit.witnesses.length === 0,
    'no checkpoint leaves this host: who holds it can rewrite the past unseen',
    'name `audit.witnesses` (see `redoubt audit witness`) or `audit.outsideFolder`',
  )
  add(
    !facts.administratorEnrolled,
    'no administrator is enrolled',
    'open the enrolment link, or make a new one with `redoubt access enrol`',
  )
  add(facts.sandbox, 'the language model is the sandbox responder', 'name an upstream under `chat:` or in OPENAI_BASE_URL')
  add(
    alerts.webhooks.length + alerts.mail.length === 0,
    'alerts are sent to nobody: they wait for someone to look',
    'name a place under `alerts.webhooks` or `alerts.mail`',
  )
  for (const { name, url } of alerts.webhooks)
    add(url.startsWith('http:'), `alerts go to \`${name}\` over plain http on this host`, 'use https')
  for (const { name, security } of alerts.mail)
    add(security === 'none', `alerts go to \`${name}\` over plain SMTP on this host`, 'use STARTTLS or TLS')
  for (const [name, upstream] of Object.entries(chat.upstreams))
    add(upstream.allowLoopbackHttp, `the upstream \`${name}\` is reached over plain http on this host`, 'use https')
  return found
}
