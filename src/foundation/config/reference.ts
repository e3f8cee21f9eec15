import { z } from 'zod'

interface JsonSchema {
  readonly type?: string | readonly string[]
  readonly description?: string
  readonly default?: unknown
  readonly enum?: readonly unknown[]
  readonly required?: readonly string[]
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly items?: JsonSchema
  readonly additionalProperties?: JsonSchema | boolean
  readonly minimum?: number
  readonly maximum?: number
  readonly anyOf?: readonly JsonSchema[]
  /** A union told apart by a constant member. */
  readonly oneOf?: readonly JsonSchema[]
  readonly const?: string | number | boolean
}

/** Renders the reference page of a configuration schema as a Markdown table, one row a key. */
export function configurationReference(schema: z.ZodType): string {
  const root = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as JsonSchema
  const rows = ['| key | type | default | meaning |', '| --- | --- | --- | --- |']
  walk(root, '', '', rows)
  return `${rows.join('\n')}\n`
}

/** @param standard what stands in the column of defaults. */
function walk(schema: JsonSchema, path: string, standard: string, rows: string[]): void {
  if (path !== '' && !schema.properties && !schema.oneOf)
    rows.push(`| \`${path}\` | ${typeName(schema)} | ${standard} | ${schema.description ?? ''} |`)
  for (const [name, child] of Object.entries(schema.properties ?? {})) {
    // A default of the whole object is where its members take theirs from.
    const inherited = (schema.default as Readonly<Record<string, unknown>> | undefined)?.[name]
    const fallback = child.default ?? inherited
    const text = fallback === undefined ? (schema.required?.includes(name) ? 'required' : '') : `\`${JSON.stringify(fallback)}\``
    walk(
      child.default === undefined && inherited !== undefined ? { ...child, default: inherited } : child,
      path === '' ? name : `${path}.${name}`,
      text,
      rows,
    )
  }
  // Each alternative by itself, after the member that tells it apart.
  for (const option of schema.oneOf ?? []) walk(option, path, '', rows)
  if (schema.items?.properties) walk({ ...schema.items }, `${path}[]`, '', rows)
  if (typeof schema.additionalProperties === 'object' && schema.additionalProperties.properties)
    walk(schema.additionalProperties, `${path}.NAME`, '', rows)
}

function typeName(schema: JsonSchema): string {
  if (schema.const !== undefined) return `\`${schema.const}\``
  if (schema.enum) return schema.enum.map((value) => `\`${String(value)}\``).join(', ')
  if (schema.anyOf) return schema.anyOf.map((option) => typeName(option)).join(' or ')
  const range = [
    schema.minimum === undefined ? '' : `≥ ${schema.minimum}`,
    schema.maximum === undefined || schema.maximum > 1e15 ? '' : `≤ ${schema.maximum}`,
  ]
  return [schema.type ?? 'any', ...range].filter((part) => part !== '').join(' ')
}
