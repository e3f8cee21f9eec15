import { resolve } from 'node:path'
import { z } from 'zod'
import { loadConfiguration, secretReference } from '#foundation/config'
import { RedoubtError, variable } from '#foundation/core'
import { filtersConfig } from '#gateway/filters'
import { BODY_TIMEOUT_MS } from '#gateway/routes'
import { STREAM_MODES } from '#gateway/filters'
import { foreignModelsSchema, upstreamsSchema } from '#gateway/serving'
import { defaultSecretsDir } from '#interfaces/commands'
import { alertsConfig } from '#governance/alerts'
import { approvalsConfig } from '#governance/approvals'
import { oversightConfig } from '#governance/oversight'
import { auditConfig } from '#trust/audit'
import { conditionsConfig, rangeText } from '#trust/conditions'
import { identityConfig } from '#trust/identity'
import { keysConfigSchema } from '#trust/keys'
import { legsConfig } from './legs/config.ts'

/** The port of the documentation; with any other, gRPC takes a free one. */
export const DEFAULT_PORT = 8443
const DEFAULT_GRPC_PORT = 8444
const DEFAULT_DATA_DIR = './.redoubt/data'
/** Long enough to answer what runs, short enough for an orchestrator's default patience. */
const DEFAULT_DRAIN_MS = 5_000

/** Several times what the bundled policies take on a slow machine. */
const DEFAULT_PROOF_SECONDS = 120

/** Everything that `redoubt.yaml` may say, composed from the rooms' own schemas. */
export const configurationSchema = z.strictObject({
  profile: z.enum(['development', 'production']).default('development').describe('production refuses every insecure default'),
  organisation: z
    .strictObject({
      name: z.string().min(1).default('Example Organisation').describe('shown on pages and in certificates'),
      timeZone: z.string().default('UTC').describe('IANA zone in which policies read hours and weekdays'),
    })
    .prefault({}),
  server: z
    .strictObject({
      address: z.string().default('127.0.0.1').describe('address to listen on'),
      port: z.number().int().min(0).max(65_535).default(DEFAULT_PORT).describe('TCP port; 0 takes a free one'),
      grpc: z.boolean().default(true).describe('serves the Open Inference Protocol over gRPC too'),
      grpcPort: z
        .number()
        .int()
        .min(0)
        .max(65_535)
        .optional()
        .describe('TCP port for gRPC; 8444 unless named, or a free one when `port` is not 8443'),
      names: z
        .array(z.string().min(1))
        .default(['localhost', '127.0.0.1'])
        .describe('host names and addresses that the certificate carries and the server answers to'),
      trustedProxies: z
        .array(rangeText)
        .max(256)
        .default([])
        .describe('CIDR ranges of proxies whose `forwarded` and `x-forwarded-for` say who calls; from all others both are ignored'),
      clientCertificateHeader: z
        .string()
        .regex(/^[A-Za-z][A-Za-z0-9-]{0,63}$/, 'must be the name of a header, like `Client-Cert`')
        .optional()
        .describe(
          'header in which the trusted proxies forward the certificate of their client (RFC 9440); without it no certificate passes a proxy',
        ),
      bodyTimeoutMs: z
        .number()
        .int()
        .min(10)
        .max(300_000)
        .default(BODY_TIMEOUT_MS)
        .describe('how long the body of an inference or control call may take to arrive'),
      drainMs: z
        .number()
        .int()
        .min(0)
        .max(60_000)
        .default(DEFAULT_DRAIN_MS)
        .describe('how long running requests may take when the server stops'),
    })
    .prefault({}),
  dataDir: z.string().min(1).default(DEFAULT_DATA_DIR).describe('sealed data, keyring, log'),
  secretsDir: z
    .string()
    .min(1)
    .optional()
    .describe('what opens the data directory, in development; beside the data directory unless named'),
  passphrase: secretReference.optional().describe('opens the keyring; generated in development'),
  keys: keysConfigSchema.prefault({}),
  legs: legsConfig.prefault({}).describe('how connections to others are protected'),
  identity: identityConfig.prefault({}),
  audit: auditConfig.prefault({}),
  alerts: alertsConfig.prefault({}),
  approvals: approvalsConfig.prefault({}),
  review: oversightConfig.prefault({}).describe('human review of requests and answers'),
  conditions: conditionsConfig.prefault({}).describe('when and from where people and programs usually act'),
  policies: z.string().min(1).optional().describe('folder of `.cedar` files that are added to the defaults'),
  policyProof: z
    .strictObject({
      timeoutSeconds: z
        .number()
        .int()
        .min(1)
        .max(3_600)
        .default(DEFAULT_PROOF_SECONDS)
        .describe('a change of policies whose invariants are not decided within this time is refused'),
    })
    .prefault({}),
  filters: filtersConfig.prefault({}).describe('what is looked for in texts, and what is kept of it'),
  chat: upstreamsSchema.prefault({}).describe('language-model servers, and the public model names that lead to them'),
  confidential: z
    .strictObject({
      streams: z
        .enum(STREAM_MODES)
        .default('hold')
        .describe(
          '`hold` keeps back what may become something confidential, about 90 letters of a stream, three sentences where CONFIDENTIAL_TEXT is looked for; `cut` sends it and cuts what follows',
        ),
      boilerplate: z
        .number()
        .int()
        .min(0)
        .max(4_096)
        .refine((documents) => documents === 0 || documents > 2, 'is 0, or at least 3: what is in one or two documents is theirs')
        .default(3)
        .describe('passages that so many registered documents share are boilerplate and not looked for; 0 looks for all'),
    })
    .prefault({}),
  foreignModels: foreignModelsSchema.prefault({}).describe('bounds of the processes that run models made elsewhere'),
  log: z
    .strictObject({ level: z.enum(['debug', 'info', 'warn', 'error']).default('warn').describe('the server’s own log, on standard error') })
    .prefault({}),
})

export type Configuration = z.output<typeof configurationSchema> & { readonly dataDir: string; readonly secretsDir: string }

/** Every variable of the environment that the server or the command line reads. */
export const ENVIRONMENT: readonly { readonly name: string; readonly meaning: string }[] = [
  { name: 'REDOUBT_CONFIG', meaning: 'path of `redoubt.yaml`' },
  { name: 'REDOUBT_PORT', meaning: 'port to listen on, and where commands look for the server' },
  { name: 'REDOUBT_GRPC_PORT', meaning: 'port for gRPC; default 8444, or a free one when the port is not 8443' },
  { name: 'REDOUBT_DATA_DIR', meaning: 'data directory; default `./.redoubt/data`' },
  {
    name: 'REDOUBT_SECRETS_DIR',
    meaning: 'secrets directory; default `secrets` beside a data directory called `data`, else `<data-dir>-secrets`',
  },
  { name: 'REDOUBT_URL', meaning: 'commands: address of the server' },
  {
    name: 'REDOUBT_CA',
    meaning: 'commands: certificate of the authority that vouches for the server, or `system`; default `ca.pem` in the data directory',
  },
  { name: 'REDOUBT_TOKEN', meaning: 'commands: access token to use in place of the bootstrap account’s' },
  { name: 'REDOUBT_TRACE', meaning: 'commands: any value shows where an internal error came from' },
  {
    name: 'OPENAI_BASE_URL',
    meaning: 'server: upstream of `assistant` when `chat.models` is empty; https, or loopback by configuration only',
  },
  { name: 'OPENAI_API_KEY', meaning: 'server: its credential; alone, it means OpenAI’s own address' },
  { name: 'OPENAI_MODEL', meaning: 'server: the upstream’s name of that model; default `gpt-4o-mini`' },
]

export interface Overrides {
  readonly config?: string
  readonly port?: number
  readonly grpcPort?: number
  readonly dataDir?: string
  readonly secretsDir?: string
}

/**
 * The configuration from file, environment (`REDOUBT_*`) and command line, the later winning.
 * @throws {RedoubtError} `ERR_CONFIG_INVALID`.
 */
export function configuration(overrides: Overrides, environment: NodeJS.ProcessEnv = process.env): Configuration {
  const path = overrides.config ?? variable(environment, 'REDOUBT_CONFIG') ?? null
  const file = loadConfiguration(configurationSchema, path)
  const port = overrides.port ?? portOf(variable(environment, 'REDOUBT_PORT')) ?? file.server.port
  const dataDir = resolve(overrides.dataDir ?? variable(environment, 'REDOUBT_DATA_DIR') ?? file.dataDir)
  const secretsDir = resolve(
    overrides.secretsDir ?? variable(environment, 'REDOUBT_SECRETS_DIR') ?? file.secretsDir ?? defaultSecretsDir(dataDir),
  )
  if (secretsDir === dataDir || secretsDir.startsWith(`${dataDir}/`))
    throw new RedoubtError('ERR_CONFIG_INVALID', 'the secrets directory lies in the data directory; what opens the data must lie elsewhere')
  const grpcPort =
    overrides.grpcPort ??
    portOf(variable(environment, 'REDOUBT_GRPC_PORT')) ??
    file.server.grpcPort ??
    (port === DEFAULT_PORT ? DEFAULT_GRPC_PORT : 0)
  return { ...file, server: { ...file.server, port, grpcPort }, dataDir, secretsDir }
}

export function portOf(text: string | undefined): number | undefined {
  if (text === undefined || text === '') return undefined
  const port = Number(text)
  if (!Number.isInteger(port) || port < 0 || port > 65_535)
    throw new RedoubtError('ERR_CONFIG_INVALID', 'a port is a number from 0 to 65535')
  return port
}
