/** The clients of this house: public ones (RFC 6749 §2.1), for which PKCE stands in for a secret. */
export interface HouseClient {
  readonly id: (typeof HOUSE_CLIENT_IDS)[number]
  /** As the consent page names it. */
  readonly name: string
  /** What it does for a person, in half a sentence. */
  readonly does: string
  readonly metadata: Readonly<Record<string, unknown>>
}

const DEVICE_CODE = 'urn:ietf:params:oauth:grant-type:device_code'
const COMMON = {
  token_endpoint_auth_method: 'none',
  id_token_signed_response_alg: 'EdDSA',
  response_types: ['code'],
  response_modes: ['query'],
  scope: 'openid',
} as const

export function houseClients(issuer: string): ReadonlyMap<string, HouseClient> {
  const clients: readonly HouseClient[] = [
    {
      id: 'redoubt-cli',
      name: 'Redoubt command line',
      does: 'runs the commands that you type, as you',
      metadata: {
        ...COMMON,
        client_id: 'redoubt-cli',
        // RFC 8252 §7.3, §8.6: a program on a loopback port cannot prove what it is, so the port is free and each request is asked about.
        application_type: 'native',
        grant_types: ['authorization_code', 'refresh_token', DEVICE_CODE],
        redirect_uris: ['http://127.0.0.1/callback'],
      },
    },
    {
      id: 'redoubt-console',
      name: 'Redoubt console',
      does: 'shows and changes what you may see and change, as you',
      metadata: {
        ...COMMON,
        client_id: 'redoubt-console',
        application_type: 'web',
        grant_types: ['authorization_code', 'refresh_token'],
        redirect_uris: [`${issuer}/console/callback`],
        post_logout_redirect_uris: [`${issuer}/console/`],
      },
    },
  ]
  return new Map(clients.map((client) => [client.id, client]))
}

/** Ids that no service account may take: a name in a token must mean one thing. */
export const HOUSE_CLIENT_IDS = ['redoubt-cli', 'redoubt-console'] as const
