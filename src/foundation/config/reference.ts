import { z } from 'zod'

interface JsonSchema {
  readonly type?: string | readonly string[]
  readonly description?: string
  readonly default?: unknown
  readonly enum?: readonly unknown[]
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly items?: JsonSchema
  readonly additionalProperties?: JsonSchema | boolean
  readonly minimum?: number
  readonly maximum?: number
  readonly anyOf?: readonly JsonSchema[]
}

/** Renders the reference page of a configuration schema as a Markdown table, one row a key. */
export function configurationReference(schema: z.ZodType): string {
  const root = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as JsonSchema
  const rows = ['| key | type | default | meaning |', '| --- | --- | --- | --- |']
  walk(root, '', rows)
  return `${rows.join('\n')}\n`
}

function walk(schema: JsonSchema, path: string, rows: string[]): void {
  if (path !== '' && !schema.properties)
    rows.push(`| \`${path}\` | ${typeName(schema)} | ${defaultText(schema)} | ${schema.description ?? ''} |`)
  for (const [name, child] of Object.entries(schema.properties ?? {})) walk(child, path === '' ? name : `${path}.${name}`, rows)
  if (schema.items?.properties) walk({ ...schema.items }, `${path}[]`, rows)
  if (typeof schema.additionalProperties === 'object' && schema.additionalProperties.properties)
    walk(schema.additionalProperties, `${path}.NAME`, rows)
}

function typeName(schema: JsonSchema): string {
  if (schema.enum) return schema.enum.map((value) => `\`${String(value)}\``).join(', ')
  if (schema.anyOf) return schema.anyOf.map((option) => typeName(option)).join(' or ')
  const range = [
    schema.minimum === undefined ? '' : `≥ ${schema.minimum}`,
    schema.maximum === undefined || schema.maximum > 1e15 ? '' : `≤ ${schema.maximum}`,
  ]
  return [schema.type ?? 'any', ...range].filter((part) => part !== '').join(' ')
}

function defaultText(schema: JsonSchema): string {
  return schema.default === undefined ? '' : `\`${JSON.stringify(schema.default)}\``
}
