/** Markup that is safe to send: made of our own text and of escaped values, and of nothing else. */
export class Markup {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}

type Value = string | number | Markup | readonly Markup[] | null | false

/**
 * Template whose values are escaped for text and for quoted attributes; nested markup stays, null and false leave nothing.
 * @throws {TypeError} for markup inside the quotes of an attribute, which would end there.
 */
export function html(parts: TemplateStringsArray, ...values: readonly Value[]): Markup {
  return new Markup(
    parts.reduce((text, part, i) => {
      const value = values[i]
      if (i === values.length || value === undefined) return text + part
      if (typeof value === 'object' && value !== null && /="[^"]*$/.test(text + part)) throw new TypeError('markup inside an attribute')
      return text + part + render(value)
    }, ''),
  )
}

function render(value: Value): string {
  if (value === null || value === false) return ''
  if (value instanceof Markup) return value.text
  if (typeof value === 'string' || typeof value === 'number') return escape(String(value))
  return value.map((one) => one.text).join('\n')
}

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }
const escape = (text: string): string => text.replaceAll(/[&<>"']/g, (sign) => ENTITIES[sign]!)
