import type { ServerResponse } from 'node:http'
import { ERROR_TABLE, type ErrorCode } from '#foundation/core'
import { answer } from '../http.ts'
import { contentSecurityPolicy, PAGE_HEADERS_OF_ALL } from '../page-headers.ts'
import { html, type Markup } from './html.ts'

export const PAGE_HEADERS = {
  ...PAGE_HEADERS_OF_ALL,
  'cache-control': 'no-store',
  'permissions-policy': 'publickey-credentials-create=(self), publickey-credentials-get=(self)',
  // Not `no-referrer`: with it browsers hide the origin of a form from us too, by which we know our own.
  'referrer-policy': 'same-origin',
  'strict-transport-security': 'max-age=31536000',
  'x-content-type-options': 'nosniff',
} as const

interface Layout {
  readonly title: string
  readonly body: Markup
  /** What went wrong with the form that was sent; shown first and read out. */
  readonly problem?: string | null
  /** Whether the page talks to a security key. */
  readonly script?: boolean
  readonly wide?: boolean
}

/** A whole page: one heading, one main part, no navigation to get lost in. */
export function page({ title, body, problem, script, wide }: Layout): Markup {
  return html`<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <meta name="robots" content="noindex" />
    <title>${problem ? `Problem: ${title}` : title} · Redoubt</title>
    <link rel="icon" href="data:," />
    <link rel="stylesheet" href="/sign-in/assets/pages.css" />
    ${script === true && html`<script src="/sign-in/assets/sign-in.js" defer></script>`}
  </head>
  <body>
    <main${wide === true && html` class="wide"`}>
      <p class="brand">Redoubt</p>
      <h1>${title}</h1>
      ${problem ? html`<p class="problem" role="alert" id="problem" tabindex="-1" autofocus>${problem}</p>` : null}
      ${body}
    </main>
  </body>
</html>`
}

/** What to say instead of what the table says to programs. */
const IN_OTHER_WORDS: Partial<Record<ErrorCode, string>> = {
  ERR_SIGN_IN_FLOW:
    'Signing in was begun in another browser, is over, or took too long. Go back to the program that sent you here and begin again.',
  ERR_FORM_ORIGIN:
    'This form did not come from a page of this server, or the page was too old. Nothing was changed. Go back, reload the page and try again.',
  ERR_REDIRECT_URI: 'The program that sent you here wants the answer at an address that is not registered. You were not sent there.',
}

export function errorPage(code: ErrorCode): Markup {
  const { title, next } = ERROR_TABLE[code]
  return page({
    title: 'This did not work',
    body: html`<p>${IN_OTHER_WORDS[code] ?? `${sentence(title)} ${sentence(next)}`}</p>
      <p class="hint">Code <code>${code}</code></p>`,
  })
}

const sentence = (text: string): string => `${text.charAt(0).toUpperCase()}${text.slice(1)}.`

/** @param formTarget origin that the page's form may be redirected to, besides ours; browsers hold redirects of forms to the policy too. */
export function answerPage(res: ServerResponse, status: number, markup: Markup, formTarget: string | null = null): void {
  const headers = formTarget === null ? PAGE_HEADERS : { ...PAGE_HEADERS, 'content-security-policy': contentSecurityPolicy(formTarget) }
  answer(res, status, 'text/html; charset=utf-8', markup.text, headers)
}

/** 303: the browser comes back with GET, so that reloading sends no form again. */
export function redirect(res: ServerResponse, location: string): void {
  answer(res, 303, 'text/plain; charset=utf-8', '', { ...PAGE_HEADERS, location })
}
