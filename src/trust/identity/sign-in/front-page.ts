import type { IncomingMessage, ServerResponse } from 'node:http'
import { html } from './html.ts'
import { answerPage, page } from './page.ts'

/** One interface of the server, for the person who has to give its address to a program. */
export interface NamedInterface {
  /** Path that its addresses begin with, or an address of its own. */
  readonly base: string
  /** Who speaks to it, in few words. */
  readonly what: string
}

const MAX_ACCEPT_CHARACTERS = 1024

/** Whether a request asks for a page by name, as browsers do; what takes anything (`*` + `/*`) is a program. */
export function wantsPage({ headers: { accept = '' } }: Pick<IncomingMessage, 'headers'>): boolean {
  return accept
    .slice(0, MAX_ACCEPT_CHARACTERS)
    .split(',')
    .some((range) => {
      const [type = '', ...parameters] = range.split(';').map((part) => part.trim().toLowerCase())
      return type === 'text/html' && !parameters.some((parameter) => /^q=0(?:\.0{0,3})?$/.test(parameter))
    })
}

/** What a person sees who opens the bare address of the server: what this is, where people go and where programs do. Tells nothing that needs a token. */
export function answerFrontPage(response: ServerResponse, interfaces: readonly NamedInterface[]): void {
  const body = html`<p>
      Redoubt stands between programs, AI models and sensitive data. What goes through it is decided by policy and kept in a log that can be
      proved.
    </p>
    <p><a class="button" href="/sign-in">Sign in</a></p>
    <p><a href="/device">Enter a code</a> that <code>redoubt login</code> shows, or <a href="/sessions">see your sessions</a>.</p>
    <h2>New here?</h2>
    <p>
      Whoever manages access gives you a link to enrol, once. The first administrator’s is printed where the server was started;
      <code>redoubt access enrol</code> prints a new one while nobody has enrolled.
    </p>
    <h2>For programs</h2>
    <dl>
      ${interfaces.map(
        ({ base, what }) =>
          html`<dt><code>${base}</code></dt>
            <dd>${what}</dd>`,
      )}
    </dl>
    <p class="hint">Programs come with an access token in place of an API key; <code>redoubt token</code> makes one.</p>`
  answerPage(response, 200, page({ title: 'A gateway for AI and data', body, wide: true }))
}
