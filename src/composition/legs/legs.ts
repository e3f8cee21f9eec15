import { readFileSync } from 'node:fs'
import type { UpstreamsConfig } from '#gateway/serving'
import type { Configuration } from '../configuration.ts'

/** One connection of the server with something else. */
export interface Leg {
  /** `listener`, `grpc`, or kind and name of what is connected to. */
  readonly name: string
  readonly direction: 'in' | 'out'
  readonly host: string
  readonly port: number
  /** Name that the certificate must bear. */
  readonly servername: string
  readonly transport: 'tls' | 'starttls' | 'plain'
  /** PEM certificates in place of the system's roots. */
  readonly ca?: string
}

const PORTS: Readonly<Record<string, number>> = { 'https:': 443, 'http:': 80 }

/** Every connection that the configuration makes, to others. @param resolveTrusted returns the certificates that a reference stands for. */
export function outboundLegs(
  { alerts, audit, keys }: Pick<Configuration, 'alerts' | 'audit' | 'keys'>,
  upstreams: UpstreamsConfig['upstreams'],
  resolveTrusted: (reference: string) => string,
): readonly Leg[] {
  const fileOf = (path: string | undefined): string | undefined => (path === undefined ? undefined : readFileSync(path, 'utf8'))
  return [
    ...Object.entries(upstreams).map(([name, { baseUrl, ca }]) =>
      fromUrl(`upstream/${name}`, new URL(baseUrl), ca === undefined ? undefined : resolveTrusted(ca)),
    ),
    ...keyService(keys.provider).map(({ kind, url, ca }) => fromUrl(`keys/${kind}`, new URL(url), fileOf(ca))),
    ...audit.witnesses.map(({ url, ca }) => fromUrl(`witness/${new URL(url).host}`, new URL(url), fileOf(ca))),
    ...alerts.webhooks.map(({ name, url, ca }) => fromUrl(`webhook/${name}`, new URL(url), fileOf(ca))),
    ...alerts.mail.map(({ name, host, port, security, ca }): Leg => {
      const transport = security === 'none' ? 'plain' : security
      return { name: `mail/${name}`, direction: 'out', host, port, servername: host, transport, ...authority(fileOf(ca)) }
    }),
  ]
}

/** The service that holds the keys, where it is one over the network; by its own `hybridGroup` it is held to the hybrid. */
function keyService(provider: Configuration['keys']['provider']): readonly { kind: string; url: string; ca: string | undefined }[] {
  if (provider.kind === 'transit') return [{ kind: provider.kind, url: provider.url, ca: provider.ca }]
  if (provider.kind !== 'aws-kms') return []
  return [{ kind: provider.kind, url: provider.endpoint ?? `https://kms.${provider.region}.amazonaws.com`, ca: provider.ca }]
}

/** The server's own doors. */
export function inboundLegs(of: {
  readonly port: number
  readonly grpcPort: number | null
  /** That the server listens on. */
  readonly address: string
  /** That the certificate bears. */
  readonly servername: string
  readonly ca: string
}): readonly Leg[] {
  const host = of.address === '0.0.0.0' || of.address === '::' ? 'localhost' : of.address
  const door = (name: string, port: number): Leg => ({
    name,
    direction: 'in',
    host,
    port,
    servername: of.servername,
    transport: 'tls',
    ca: of.ca,
  })
  return [door('listener', of.port), ...(of.grpcPort === null ? [] : [door('grpc', of.grpcPort)])]
}

function fromUrl(name: string, url: URL, ca: string | undefined): Leg {
  const host = url.hostname.replace(/^\[|\]$/g, '')
  const port = Number(url.port || PORTS[url.protocol])
  const transport = url.protocol === 'http:' ? 'plain' : 'tls'
  return { name, direction: 'out', host, port, servername: host, transport, ...authority(ca) }
}

function authority(ca: string | undefined): { readonly ca?: string } {
  return ca === undefined ? {} : { ca }
}
