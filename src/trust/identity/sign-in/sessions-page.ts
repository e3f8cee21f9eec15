import { RedoubtError } from '#foundation/core'
import type { ListedSession } from '../people/people.ts'
import { html, type Markup } from './html.ts'
import { answerPage, page, redirect } from './page.ts'
import { FOR_A_NEW_FACTOR, lacking } from './requirements.ts'
import { hidden, nameOf, type SignInParts, type Visit, wayToSignIn } from './visit.ts'

const LEVELS = { 1: 'one factor', 2: 'two factors', 3: 'hardware key' } as const

/** `GET /sessions`: where one is signed in. */
export async function showSessions(parts: SignInParts, visit: Visit): Promise<void> {
  const { signedIn } = visit
  if (signedIn === null) return redirect(visit.res, '/sign-in')
  const { person, session } = signedIn
  const sessions = await parts.people.sessions.list(person.id)
  const body = html`<p>Signed in as <strong>${await nameOf(parts, person)}</strong>.</p>
    <ul class="sessions">
      ${sessions.map((one) => item(visit, one, one.id === session.id))}
    </ul>
    <div class="actions">
      <form method="post" action="/sessions/factor">
        ${hidden(visit, null)}<button class="secondary" type="submit">Register another key</button>
      </form>
      <form method="post" action="/sign-out">${hidden(visit, null)}<button type="submit">Sign out here</button></form>
    </div>`
  answerPage(visit.res, 200, page({ title: 'Your sessions', body, wide: true }))
}

function item(visit: Visit, session: ListedSession, here: boolean): Markup {
  const what = session.userAgent === null ? 'Unknown program' : programOf(session.userAgent)
  return html`<li>
    <div>
      <p class="what"><strong>${what}</strong>${here && html` <span class="badge">this browser</span>`}</p>
      <p class="soft">${session.sourceAddress ?? 'address erased'} · ${LEVELS[session.mfaLevel]}</p>
      <p class="soft">Signed in ${moment(session.authTime)} · last seen ${moment(session.lastSeenAt)}</p>
    </div>
    ${
      !here &&
      html`<form method="post" action="/sessions/end">
        ${hidden(visit, null, { session: session.id })}
        <button class="secondary" type="submit" aria-label="End the session of ${what}, signed in ${stamp(session.authTime)}">End</button>
      </form>`
    }
  </li>`
}

/** Enough of a browser's long name to know it by. */
function programOf(userAgent: string): string {
  const browser = /(Firefox|Edg|OPR|Chrome|Safari)\//.exec(userAgent)?.[1]
  const system = /(Windows|Android|iPhone|iPad|Mac OS X|Linux)/.exec(userAgent)?.[1]
  const name = { Edg: 'Edge', OPR: 'Opera' }[browser ?? ''] ?? browser
  return name === undefined ? userAgent.slice(0, 60) : `${name}${system === undefined ? '' : ` on ${system.replace('Mac OS X', 'macOS')}`}`
}

const stamp = (time: number): string => `${new Date(time).toISOString().slice(0, 16).replace('T', ' ')} UTC`
const moment = (time: number): Markup => html`<time datetime="${new Date(time).toISOString()}">${stamp(time)}</time>`

/** `POST /sessions/end`: one's own only; of another's it cannot be told whether there is such a session. */
export async function endSession({ people }: SignInParts, visit: Visit): Promise<void> {
  const { signedIn, form } = visit
  if (signedIn === null) return redirect(visit.res, '/sign-in')
  const session = people.sessions.get(form.get('session') ?? '')
  if (session === null || session.userId !== signedIn.person.id) throw new RedoubtError('ERR_NOT_FOUND')
  await people.sessions.end(session.id, { type: 'User', id: signedIn.person.id })
  redirect(visit.res, session.id === signedIn.session.id ? '/sign-in' : '/sessions')
}

/** `POST /sessions/factor`: a link to register another key, for whoever has just shown enough; others are asked to. */
export async function addFactor({ people, clock }: SignInParts, visit: Visit): Promise<void> {
  const { signedIn } = visit
  if (signedIn === null) return redirect(visit.res, '/sign-in')
  const { session, person } = signedIn
  if (lacking(session, FOR_A_NEW_FACTOR, clock.now()) !== null) return redirect(visit.res, wayToSignIn({ to: 'factor' }, visit))
  const link = await people.enrolment.ownLink({ mfaLevel: session.mfaLevel, authTime: session.authTime, recovered: false }, person.id)
  redirect(visit.res, new URL(link.url).pathname)
}

/** `GET /oauth/end-session`: asked by a client; a person has to say so themselves (OpenID Connect RP-Initiated Logout 1.0 §2). */
export async function showSignOut(parts: SignInParts, visit: Visit): Promise<void> {
  if (visit.signedIn === null) return signedOutPage(visit)
  const client = parts.clients.get(visit.query.get('client_id') ?? '')
  const body = html`<p>
      Signed in as <strong>${await nameOf(parts, visit.signedIn.person)}</strong>. Programs that you let act as you from this browser end
      too.
    </p>
    <form method="post" action="/sign-out">
      ${hidden(visit, null, {
        client_id: client?.id ?? '',
        post_logout_redirect_uri: visit.query.get('post_logout_redirect_uri') ?? '',
        state: (visit.query.get('state') ?? '').slice(0, 512),
      })}
      <button type="submit">Sign out</button>
    </form>
    <p class="aside"><a href="/sessions">Stay signed in</a></p>`
  answerPage(visit.res, 200, page({ title: 'Sign out?', body }))
}

/** `POST /sign-out`: leaves for a client's address only when it is registered, letter for letter. */
export async function signOut(parts: SignInParts, visit: Visit): Promise<void> {
  const { signedIn, form } = visit
  if (signedIn !== null) await parts.people.sessions.end(signedIn.session.id, { type: 'User', id: signedIn.person.id })
  visit.browser.signedOut()
  const registered = (parts.clients.get(form.get('client_id') ?? '')?.metadata['post_logout_redirect_uris'] ?? []) as readonly string[]
  const wanted = form.get('post_logout_redirect_uri') ?? ''
  if (!registered.includes(wanted)) return signedOutPage(visit)
  const target = new URL(wanted)
  const state = form.get('state') ?? ''
  if (state !== '') target.searchParams.set('state', state)
  redirect(visit.res, target.href)
}

function signedOutPage({ res }: Visit): void {
  const body = html`<p>You are not signed in here any more. Sessions on other devices go on.</p>
    <p class="aside"><a href="/sign-in">Sign in again</a></p>`
  answerPage(res, 200, page({ title: 'Signed out', body }))
}
