import { describe, expect, it } from 'vitest'
import { html } from './html.ts'

describe('markup', () => {
  it('escapes values in text and in attributes, and keeps markup', () => {
    const evil = `"><script>'&`
    expect(html`<p title="${evil}">${evil}</p>`.text).toBe(
      '<p title="&quot;&gt;&lt;script&gt;&#39;&amp;">&quot;&gt;&lt;script&gt;&#39;&amp;</p>',
    )
    const items = html`<ul>
      ${[1, 2].map((n) => html`<li>${n}</li>`)}${null}${false}
    </ul>`
    expect(items.text.replaceAll(/\s+/g, '')).toBe('<ul><li>1</li><li>2</li></ul>')
  })

  it('refuses markup inside an attribute', () => {
    expect(() => html`<p title="a ${html`<b>x</b>`}"></p>`).toThrow('markup inside an attribute')
    expect(html`<p title="a">${html`<b>x</b>`}</p>`.text).toBe('<p title="a"><b>x</b></p>')
  })
})
