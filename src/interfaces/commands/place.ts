import { existsSync, readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { basename, dirname, join, resolve } from 'node:path'
import { RedoubtError, variable } from '#foundation/core'
import { strangeIn } from './own-folder.ts'

/** Where the server and its files are, from the command line, the environment and what the server wrote in its data directory. */
export interface Place {
  readonly url: string
  readonly dataDir: string
  readonly secretsDir: string
  /** Where tokens of whoever logs in are kept: with the server's secrets on its own host, in the person's own configuration elsewhere. */
  readonly loginDir: string
  /** The authority by which the server is recognised. */
  readonly caPath: string
  /** The operator said that the server is recognised by the system's authorities in place of `caPath`. */
  readonly systemAuthorities: boolean
}

export interface PlaceOptions {
  readonly dataDir?: string
  readonly secretsDir?: string
  readonly port?: number
  readonly url?: string
}

/** Written by the server at start, without secrets; tells commands in any folder where to go. */
export const SERVER_FILE = 'server.json'
/** Where a sealed server on this host takes shares, in its data directory. */
export const UNSEAL_SOCKET = 'unseal.sock'
/** The log's verifier key, for everyone to read; who distrusts this host keeps a copy elsewhere. */
export const LOG_KEY_FILE = 'log.vkey'

interface ServerFile {
  readonly url: string
  readonly secretsDir: string
}

const CA_FILE = 'ca.pem'
const DEFAULT_DATA_DIR = './.redoubt/data'
const DEFAULT_PORT = 8443
/** What `REDOUBT_CA` says in place of a path where a public authority vouches for the server. */
const SYSTEM_AUTHORITIES = 'system'

/** Who runs the command, and where. */
export interface Runner {
  readonly folder: string
  /** Undefined where the system has no user ids. */
  readonly uid: number | undefined
}

/**
 * The command line wins over `REDOUBT_*`, these over what the server wrote, that over the defaults.
 * @throws {RedoubtError} `ERR_SERVER_FILE` when the folder was not named and what lies in it may be someone else's.
 */
export function findPlace(
  options: PlaceOptions,
  environment: NodeJS.ProcessEnv = process.env,
  runner: Runner = { folder: process.cwd(), uid: process.geteuid?.() },
): Place {
  const named = options.dataDir ?? variable(environment, 'REDOUBT_DATA_DIR')
  const dataDir = resolve(runner.folder, named ?? DEFAULT_DATA_DIR)
  // Whoever names a folder has looked where they point; the one that happens to be here must show whose it is.
  const strange = named === undefined ? strangeIn(dataDir, [SERVER_FILE, CA_FILE], runner.uid) : null
  const elsewhere = (options.url ?? variable(environment, 'REDOUBT_URL')) !== undefined && variable(environment, 'REDOUBT_CA') !== undefined
  if (strange !== null && !elsewhere) throw new RedoubtError('ERR_SERVER_FILE', `${strange}; so it is not asked which server this is for`)
  const told = strange === null ? readServerFile(dataDir) : null
  const port = options.port ?? portOf(variable(environment, 'REDOUBT_PORT'))
  const url =
    options.url ??
    variable(environment, 'REDOUBT_URL') ??
    (port === undefined ? told?.url : `https://localhost:${port}`) ??
    `https://localhost:${DEFAULT_PORT}`
  if (!URL.canParse(url) || !url.startsWith('https://'))
    throw new RedoubtError('ERR_USAGE', 'the address of the server starts with `https://`')
  const secretsDir = resolve(
    options.secretsDir ?? variable(environment, 'REDOUBT_SECRETS_DIR') ?? told?.secretsDir ?? defaultSecretsDir(dataDir),
  )
  const ca = variable(environment, 'REDOUBT_CA')
  const systemAuthorities = ca === SYSTEM_AUTHORITIES
  const caPath = ca === undefined || systemAuthorities ? join(dataDir, CA_FILE) : resolve(ca)
  // Whether this is the server's host, by what the server itself left here: keys of accounts are written on other hosts too.
  const loginDir =
    told !== null && existsSync(secretsDir)
      ? secretsDir
      : join(variable(environment, 'XDG_CONFIG_HOME') ?? join(homedir(), '.config'), 'redoubt')
  return { url: url.replace(/\/$/, ''), dataDir, secretsDir, loginDir, caPath, systemAuthorities }
}

/** @throws {RedoubtError} `ERR_USAGE`. */
function portOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const port = Number(text)
  if (!Number.isInteger(port) || port < 1 || port > 65_535)
    throw new RedoubtError('ERR_USAGE', `REDOUBT_PORT is \`${text.slice(0, 32)}\`; a port is a number from 1 to 65535`)
  return port
}

/** `./.redoubt/data` goes with `./.redoubt/secrets`; any other `DIR` with `DIR-secrets`, so that two servers never share secrets. */
export function defaultSecretsDir(dataDir: string): string {
  return basename(dataDir) === 'data' ? join(dirname(dataDir), 'secrets') : `${dataDir}-secrets`
}

function readServerFile(dataDir: string): ServerFile | null {
  const path = join(dataDir, SERVER_FILE)
  if (!existsSync(path)) return null
  try {
    const { url, secretsDir } = JSON.parse(readFileSync(path, 'utf8')) as Partial<ServerFile>
    return typeof url === 'string' && typeof secretsDir === 'string' ? { url, secretsDir } : null
  } catch {
    return null
  }
}
