import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AuditSink, Clock, ErrorCode } from '#foundation/core'
import type { Interaction, Provider } from 'oidc-provider'
import type { Artifacts } from '../artifacts.ts'
import type { People, Person, Session, SignInSource } from '../people/people.ts'
import type { Attempts } from './attempts.ts'
import type { Browser } from './browser.ts'
import type { HouseClient } from './clients.ts'
import type { Consents } from './consents.ts'
import type { DeviceCodes } from './device-codes.ts'
import { html, type Markup } from './html.ts'

/** What every page works with. */
export interface SignInParts {
  readonly issuer: string
  readonly people: People
  readonly provider: () => Provider
  readonly clients: ReadonlyMap<string, HouseClient>
  readonly consents: Consents
  readonly devices: DeviceCodes
  readonly codeAttempts: Attempts
  readonly artifacts: Artifacts
  readonly audit: AuditSink
  readonly clock: Clock
  readonly refused: (code: ErrorCode) => void
}

/** One request of a browser. */
export interface Visit {
  readonly req: IncomingMessage
  readonly res: ServerResponse
  readonly query: URLSearchParams
  /** Checked to come from a page of ours; empty for GET. */
  readonly form: URLSearchParams
  readonly browser: Browser
  readonly source: SignInSource
  /** Who is signed in; null for nobody. */
  readonly signedIn: { readonly session: Session; readonly person: Person } | null
}

/** Where a person was going when they had to sign in. An enumeration and no address, so that nobody can be sent elsewhere. */
export type Destination =
  | { readonly to: 'flow'; readonly flow: string }
  | { readonly to: 'device'; readonly userCode: string }
  | { readonly to: 'factor' }
  | { readonly to: 'sessions' }

const FLOW_ID = /^[A-Za-z0-9_-]{16,64}$/

/** A flow that another browser began is none: signing someone in to an attacker's flow begins that way (login CSRF). */
export function destinationOf(fields: URLSearchParams, browser: Browser): Destination {
  const flow = fields.get('flow')
  if (flow !== null && FLOW_ID.test(flow) && browser.sealed(`flow ${flow}`, fields.get('flow_seal'))) return { to: 'flow', flow }
  if (fields.get('to') === 'device') return { to: 'device', userCode: (fields.get('user_code') ?? '').slice(0, 16) }
  return { to: fields.get('to') === 'factor' ? 'factor' : 'sessions' }
}

const fieldsOf = (destination: Destination, browser: Browser): Record<string, string> => {
  if (destination.to === 'flow') return { flow: destination.flow, flow_seal: browser.seal(`flow ${destination.flow}`) }
  if (destination.to === 'device') return { to: 'device', user_code: destination.userCode }
  return destination.to === 'factor' ? { to: 'factor' } : {}
}

/** The first address of the way to a destination for someone who is signed in. */
export function wayTo(destination: Destination, { browser }: Pick<Visit, 'browser'>): string {
  if (destination.to === 'flow')
    return `/oauth/authorize/${destination.flow}?${new URLSearchParams({ flow_seal: browser.seal(`flow ${destination.flow}`) }).toString()}`
  if (destination.to === 'device')
    return destination.userCode === '' ? '/device' : `/device?${new URLSearchParams({ user_code: destination.userCode }).toString()}`
  return '/sessions'
}

export const wayToSignIn = (destination: Destination, { browser }: Pick<Visit, 'browser'>): string =>
  `/sign-in?${new URLSearchParams(fieldsOf(destination, browser)).toString()}`.replace(/\?$/, '')

/** Hidden fields of every form: the seal, and what the page has to remember. */
export function hidden(
  { browser }: Pick<Visit, 'browser'>,
  destination: Destination | null,
  more: Readonly<Record<string, string>> = {},
): Markup {
  const fields = { seal: browser.seal('form'), ...(destination === null ? {} : fieldsOf(destination, browser)), ...more }
  return html`${Object.entries(fields).map(([name, value]) => html`<input type="hidden" name="${name}" value="${value}" />`)}`
}

/** The authorization request that waits, if it still does. */
export const waitingFlow = ({ provider }: SignInParts, destination: Destination): Promise<Interaction | undefined> =>
  destination.to === 'flow' ? provider().Interaction.find(destination.flow) : Promise.resolve(undefined)

/** The client of the house that began a flow. */
export function clientOf({ clients }: SignInParts, flow: Interaction | undefined): HouseClient | undefined {
  const id = flow?.params['client_id']
  return typeof id === 'string' ? clients.get(id) : undefined
}

/** Where browsers may go after the forms of a flow: the origin of the address that was checked when the flow began. */
export function originAfter(flow: Interaction | undefined): string | null {
  const uri = flow?.params['redirect_uri']
  return typeof uri === 'string' ? (URL.parse(uri)?.origin ?? null) : null
}

/** Names who signed in as they know themselves; the id when the name was erased. */
export const nameOf = async ({ people }: SignInParts, person: Person): Promise<string> => (await people.loginNameOf(person.id)) ?? person.id
