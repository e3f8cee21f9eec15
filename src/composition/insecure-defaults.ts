import { RedoubtError } from '#foundation/core'
import type { Configuration } from './configuration.ts'
import { opensByPassphrase } from './secrets.ts'

export interface InsecureDefault {
  readonly what: string
  readonly mend: string
}

/**
 * What production does not start with. What an operator has chosen by name (plain http to this host) is not among it: it stays a warning.
 * @throws {RedoubtError} `ERR_CONFIG_INSECURE`, naming each key.
 */
export function refuseInsecure({
  profile,
  passphrase,
  audit,
  filters,
  keys,
}: Pick<Configuration, 'profile' | 'passphrase' | 'audit' | 'filters' | 'keys'>): void {
  if (profile !== 'production') return
  const missing = [
    ...(opensByPassphrase({ keys }) && passphrase === undefined ? ['`passphrase:` (a reference; none is generated)'] : []),
    ...(audit.outsideFolder === undefined && audit.witnesses.length === 0
      ? ['`audit.witnesses` or `audit.outsideFolder` (without a checkpoint outside, who holds this host can rewrite the past unseen)']
      : []),
  ]
  if (filters.mode === 'dry-run')
    throw new RedoubtError('ERR_CONFIG_INSECURE', 'under `profile: production` filters act: take `filters.mode: dry-run` away')
  if (missing.length > 0)
    throw new RedoubtError('ERR_CONFIG_INSECURE', `under \`profile: production\` the configuration must name ${missing.join(' and ')}`)
}

/** What is convenient in development and unfit for real data; `redoubt doctor` shows each. */
export function insecureDefaults(
  configuration: Configuration,
  facts: { readonly sandbox: boolean; readonly administratorEnrolled: boolean },
): readonly InsecureDefault[] {
  const { profile, passphrase, audit, alerts, chat, filters, server, identity, keys } = configuration
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
    opensByPassphrase(configuration) && passphrase === undefined,
    'the passphrase of the keyring was generated on this host',
    'name a `passphrase:` reference in redoubt.yaml',
  )
  add(
    'hybridGroup' in keys.provider && keys.provider.hybridGroup === 'preferred',
    'keys pass to and from the key provider under classical groups where it knows no other: who records them today may read them one day',
    'take `keys.provider.hybridGroup: preferred` away',
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
  add(
    profile === 'production' && identity.hardwareKeys.length === 0,
    'administrators and other powerful people may sign in with any passkey, also with one that is copied between devices',
    'name the models of security keys that they have under `identity.hardwareKeys`, and their makers’ certificates in `identity.attestationRoots`',
  )
  add(
    profile === 'production' && identity.hardwareKeys.length > 0 && identity.attestationRoots === undefined,
    'a security key’s own word is taken for its model, which software can give as well; no key counts as hardware',
    'name the makers’ certificates in `identity.attestationRoots`',
  )
  add(
    filters.mode === 'dry-run',
    'filters change and stop nothing, they only count (`filters.mode: dry-run`)',
    'set `filters.mode: act` before real data come in',
  )
  add(
    keys.provider.kind === 'pkcs11' && /softhsm/i.test(keys.provider.library),
    'the HSM is SoftHSM, which keeps its keys in files of this host',
    'name the library of a real HSM under `keys.provider`',
  )
  add(facts.sandbox, 'the language model is the sandbox responder', 'name an upstream under `chat:` or in OPENAI_BASE_URL')
  add(
    profile === 'development' && !isLoopback(server.address),
    `profile \`development\` listens on ${server.address}, which others may reach`,
    'listen on 127.0.0.1, or set `profile: production`',
  )
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

const isLoopback = (address: string): boolean => address === 'localhost' || address === '::1' || address.startsWith('127.')
