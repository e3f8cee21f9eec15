import { pino } from 'pino'
import { LogDestination } from './log-destination.ts'

/**
 * The server's own log, for operators. It carries ids, codes and durations: never a token, a key, a prompt, a row.
 * Fields that could carry one are cut by name as a second line of defence.
 */
export interface Logger {
  debug(fields: Readonly<Record<string, unknown>>, message: string): void
  info(fields: Readonly<Record<string, unknown>>, message: string): void
  warn(fields: Readonly<Record<string, unknown>>, message: string): void
  error(fields: Readonly<Record<string, unknown>>, message: string): void
}

const FORBIDDEN_FIELDS = ['authorization', 'cookie', 'token', 'password', 'passphrase', 'secret', 'apiKey', 'prompt', 'body', 'messages']

const FRAMES = 5
/** Frames alone: the lines before them are the message, which may quote what a caller sent. */
const framesOf = ({ stack = '' }: Error): readonly string[] =>
  stack
    .split('\n')
    .filter((line) => /^\s+at /.test(line))
    .slice(0, FRAMES)

export function createLogger(options: { readonly level: 'debug' | 'info' | 'warn' | 'error'; readonly destination?: number }): Logger {
  return pino(
    {
      level: options.level,
      base: null,
      redact: { paths: FORBIDDEN_FIELDS.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]), censor: '[removed]' },
      serializers: {
        err: (error: Error & { code?: string }) => ({ name: error.name, code: error.code, stack: framesOf(error) }),
      },
    },
    new LogDestination(options.destination ?? 2),
  )
}

export const silentLogger: Logger = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined }
