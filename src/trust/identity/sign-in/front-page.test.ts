import { describe, expect, it } from 'vitest'
import { wantsPage } from './front-page.ts'

const asks = (accept: string | undefined): boolean => wantsPage({ headers: accept === undefined ? {} : { accept } })

describe('who is shown the page at the bare address', () => {
  it('is whoever asks for HTML by name, as browsers do', () => {
    for (const accept of [
      'text/html',
      'text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8',
      'application/json, TEXT/HTML;q=0.1',
      'text/html; charset=utf-8',
    ])
      expect(asks(accept), accept).toBe(true)
  })

  it('is no program: one that takes anything, takes something else, or says that it takes no HTML', () => {
    for (const accept of [undefined, '', '*/*', 'text/*', 'application/json', 'text/htmlx', 'text/html;q=0', 'text/html; q=0.000', ';'])
      expect(asks(accept), accept).toBe(false)
    expect(asks(`${'a/b,'.repeat(1000)}text/html`)).toBe(false)
  })
})
