/** A browser without pictures: cookies by their attributes, forms as they stand in the page, headers as a browser sends them. */
import * as oidc from 'openid-client'
import type { IdentityConfig } from '../config.ts'
import { type Fixture, ISSUER, openFixture } from '../identity.fixtures.ts'
import { type FakePeople, fakePeople } from './people.fixtures.ts'

export interface Page {
  readonly status: number
  readonly url: string
  readonly headers: Headers
  readonly text: string
}

export interface Form {
  readonly action: string
  readonly fields: Record<string, string>
}

const unescape = (text: string): string =>
  text.replaceAll('&quot;', '"').replaceAll('&#39;', "'").replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&')

export class TestBrowser {
  readonly cookies = new Map<string, string>()
  readonly #base: string

  constructor(base: string) {
    this.#base = base
  }

  /** One request, no redirect followed. `url` on our issuer or a path. */
  async once(method: string, url: string, form?: Record<string, string>, headers: Record<string, string> = {}): Promise<Page> {
    const path = url.startsWith(ISSUER) ? url.slice(ISSUER.length) : url
    const response = await fetch(`${this.#base}${path}`, {
      method,
      redirect: 'manual',
      headers: {
        ...(this.cookies.size === 0 ? {} : { cookie: [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ') }),
        ...(form === undefined
          ? {}
          : { 'content-type': 'application/x-www-form-urlencoded', origin: ISSUER, 'sec-fetch-site': 'same-origin' }),
        ...headers,
      },
      ...(form === undefined ? {} : { body: new URLSearchParams(form).toString() }),
    })
    for (const cookie of response.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(cookie) ?? []
      if (/Max-Age=0/.test(cookie)) this.cookies.delete(name)
      else this.cookies.set(name, value)
    }
    return { status: response.status, url: path, headers: response.headers, text: await response.text() }
  }

  /** Follows redirects within the server; stops at the first that leaves it. */
  async go(method: string, url: string, form?: Record<string, string>): Promise<Page> {
    let page = await this.once(method, url, form)
    for (let hops = 0; hops < 10 && page.status === 303; hops++) {
      const location = page.headers.get('location') ?? ''
      if (!location.startsWith('/') && !location.startsWith(`${ISSUER}/`)) return page
      if (new URL(location, ISSUER).pathname === '/console/callback') return page
      page = await this.once('GET', location)
    }
    return page
  }

  get(url: string): Promise<Page> {
    return this.go('GET', url)
  }

  /** Fills and sends the form of this action. */
  submit(page: Page, action: string, fields: Record<string, string> = {}): Promise<Page> {
    const form = formOf(page, action)
    return this.go('POST', action, { ...form.fields, ...fields })
  }
}

/** The form as a browser would send it. @throws when the page has none. */
export function formOf(page: Page, action: string): Form {
  const found = new RegExp(`<form[^>]*action="${action}"[^>]*>(.*?)</form>`, 's').exec(page.text)?.[1]
  if (found === undefined) throw new Error(`no form ${action} in: ${page.status} ${page.url} ${page.text.slice(0, 2_000)}`)
  const inputs = [...found.matchAll(/<input[^>]*>/g)].map(([input]) => {
    const attribute = (name: string): string => unescape(new RegExp(`\\b${name}="([^"]*)"`).exec(input)?.[1] ?? '')
    return [attribute('name'), attribute('value')] as const
  })
  return { action, fields: Object.fromEntries(inputs) }
}

export interface SignInFixture extends Fixture {
  readonly people: FakePeople
  browser(): TestBrowser
  /** A browser in which someone of this name signed in with a hardware key. */
  signedIn(name: string, code?: string): Promise<TestBrowser>
  /** openid-client, as it discovers us. */
  client(id: string): Promise<oidc.Configuration>
}

/** @param boundClients clients whose tokens have to be bound; none, where binding is not the point. */
export async function openSignInFixture({
  boundClients = [],
}: { readonly boundClients?: IdentityConfig['boundClients'] } = {}): Promise<SignInFixture> {
  let people: FakePeople | null = null
  const fixture = await openFixture({
    config: { boundClients },
    makePeople: (clock) => (people = fakePeople(clock)),
  })
  const browser = (): TestBrowser => new TestBrowser(fixture.url)
  const toServer: oidc.CustomFetch = (url, options) => fetch(url.replace(ISSUER, fixture.url), options as RequestInit)
  return {
    ...fixture,
    people: people!,
    browser,
    async signedIn(name, code = '3') {
      const one = browser()
      await signIn(one, await one.get('/sign-in'), name, code)
      return one
    },
    client: (id) =>
      oidc.discovery(new URL(ISSUER), id, { id_token_signed_response_alg: 'EdDSA' }, oidc.None(), { [oidc.customFetch]: toServer }),
  }
}

/** From the first sign-in page to wherever it leads. */
export async function signIn(browser: TestBrowser, page: Page, name: string, code = '3'): Promise<Page> {
  const named = await browser.submit(page, '/sign-in', { name })
  return browser.submit(named, '/sign-in/code', { code })
}
