import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs'
import { parse } from 'yaml'
import type { z } from 'zod'
import { RedoubtError } from '#foundation/core'

/** A configuration is a page or two; more is a mistake or an attack on the parser. */
const MAX_CONFIGURATION_BYTES = 1024 * 1024
/** YAML aliases can grow a small file without bound ("billion laughs"). */
const MAX_YAML_ALIASES = 50

/**
 * Reads `path` as YAML and checks it against a strict schema; without a path the schema's defaults are the configuration.
 * @throws {RedoubtError} `ERR_CONFIG_INVALID` naming each key that is wrong.
 */
export function loadConfiguration<S extends z.ZodType>(schema: S, path: string | null): z.output<S> {
  return checkConfiguration(schema, path === null ? {} : readYaml(path), path ?? 'the defaults')
}

/** As `loadConfiguration`, for a document that is parsed already. */
export function checkConfiguration<S extends z.ZodType>(schema: S, document: unknown, source: string): z.output<S> {
  const result = schema.safeParse(document ?? {})
  if (result.success) return result.data
  const problems = result.error.issues.map((issue) => `\`${issue.path.join('.') || '(top)'}\`: ${issue.message}`)
  throw new RedoubtError('ERR_CONFIG_INVALID', `${source} is not a valid configuration: ${problems.join('; ')}`)
}

function readYaml(path: string): unknown {
  let text: string
  try {
    const fd = openSync(path, 'r')
    try {
      if (fstatSync(fd).size > MAX_CONFIGURATION_BYTES)
        throw new RedoubtError('ERR_CONFIG_INVALID', `\`${path}\` exceeds ${MAX_CONFIGURATION_BYTES} bytes`)
      text = readFileSync(fd, 'utf8')
    } finally {
      closeSync(fd)
    }
  } catch (cause) {
    if (cause instanceof RedoubtError) throw cause
    throw new RedoubtError('ERR_CONFIG_INVALID', `\`${path}\` cannot be read`, { cause })
  }
  try {
    return parse(text, { maxAliasCount: MAX_YAML_ALIASES, strict: true, uniqueKeys: true })
  } catch (cause) {
    const line = (cause as { linePos?: readonly { line: number }[] }).linePos?.[0]?.line
    throw new RedoubtError('ERR_CONFIG_INVALID', `\`${path}\` is not YAML${line === undefined ? '' : `: see line ${line}`}`)
  }
}
