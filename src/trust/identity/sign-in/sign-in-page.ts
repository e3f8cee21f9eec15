import { type ErrorCode, ERROR_TABLE, parseStrictJson, RedoubtError } from '#foundation/core'
import type { Interaction } from 'oidc-provider'
import type { Claimant, Session, SignedIn, SignInRefusal } from '../people/people.ts'
import { assertionResponse } from '../people/verify-assertion.ts'
import { html, type Markup } from './html.ts'
import { answerPage, page, redirect } from './page.ts'
import { FOR_A_NEW_FACTOR, lacking, NO_REQUIREMENT, type Requirement, requirementOf } from './requirements.ts'
import {
  clientOf,
  type Destination,
  destinationOf,
  hidden,
  nameOf,
  originAfter,
  type SignInParts,
  type Visit,
  waitingFlow,
  wayTo,
} from './visit.ts'

const MAX_NAME = 256
const MAX_CODE = 64

/** What the page is about: where the person was going, what is wanted for it, and what is known of them. */
interface Situation {
  readonly destination: Destination
  readonly flow: Interaction | undefined
  readonly wanted: Requirement
  /** Signed in already, so this is a step-up; or a login name that was typed. */
  readonly claimant: Claimant | null
  readonly lacking: 'level' | 'age' | null
}

async function situationOf(parts: SignInParts, visit: Visit, fields: URLSearchParams): Promise<Situation> {
  const destination = destinationOf(fields, visit.browser)
  const flow = await waitingFlow(parts, destination)
  if (destination.to === 'flow' && flow === undefined) throw new RedoubtError('ERR_SIGN_IN_FLOW')
  const device = destination.to === 'device' ? parts.devices.find(destination.userCode) : null
  const params = flow?.params ?? device?.params
  const wanted = params !== undefined ? requirementOf(params) : destination.to === 'factor' ? FOR_A_NEW_FACTOR : NO_REQUIREMENT
  const name = (fields.get('name') ?? '').trim().slice(0, MAX_NAME)
  const { signedIn } = visit
  const missing = signedIn === null ? null : lacking(signedIn.session, wanted, parts.clock.now())
  const other = fields.get('other') === 'yes'
  const claimant: Claimant | null = name !== '' ? { loginName: name } : signedIn !== null && !other ? { userId: signedIn.person.id } : null
  return { destination, flow, wanted, claimant, lacking: missing }
}

/** `GET /sign-in`: for whoever is not signed in, or not well or lately enough for where they are going (RFC 9470). */
export async function showSignIn(parts: SignInParts, visit: Visit): Promise<void> {
  const situation = await situationOf(parts, visit, visit.query)
  // Someone signed in who only wanted to sign in has nothing to do here.
  if (situation.destination.to === 'sessions' && visit.signedIn !== null && visit.query.get('other') !== 'yes')
    return redirect(visit.res, '/sessions')
  return render(parts, visit, situation, 200, null)
}

/** `POST /sign-in`: the login name, for keys that do not know their owner and for codes. The same page follows whether it exists or not. */
export async function takeName(parts: SignInParts, visit: Visit): Promise<void> {
  const situation = await situationOf(parts, visit, visit.form)
  const empty = situation.claimant === null
  return render(parts, visit, situation, empty ? 400 : 200, empty ? 'Enter your login name.' : null)
}

/** `POST /sign-in/passkey`, `/sign-in/code`, `/sign-in/recovery`. */
export async function takeFactor(parts: SignInParts, visit: Visit, factor: 'passkey' | 'code' | 'recovery'): Promise<void> {
  const situation = await situationOf(parts, visit, visit.form)
  const answered = await judge(parts, visit, situation, factor)
  if ('code' in answered) {
    if (answered.retryAfterSeconds > 0) visit.res.setHeader('retry-after', String(answered.retryAfterSeconds))
    return render(parts, visit, situation, ERROR_TABLE[answered.code].status, wordsFor(answered))
  }
  const session = await enter(parts, visit, answered)
  // The session is what counts, here and for the flow. One that is stronger than what was shown now was not freshened by it.
  if (session.mfaLevel > answered.mfaLevel)
    return render(parts, visit, situation, 403, 'Use a key or code as strong as the one that you signed in with.')
  // Who had to use a recovery code has nothing else: first a new factor, then whatever they came for.
  if (answered.recovered) {
    const link = await parts.people.enrolment.ownLink(answered, answered.person.id)
    return redirect(visit.res, new URL(link.url).pathname)
  }
  if (situation.flow !== undefined) await finishFlow(situation.flow, session)
  redirect(visit.res, wayTo(situation.destination, visit))
}

async function judge(parts: SignInParts, visit: Visit, { claimant }: Situation, factor: string): Promise<SignedIn | SignInRefusal> {
  const { people } = parts
  const { form, source } = visit
  if (factor === 'passkey') {
    const text = Buffer.from(form.get('response') ?? '')
    const value = parseStrictJson(text, { maxBytes: text.byteLength, maxDepth: 4 })
    const response = assertionResponse.safeParse(value)
    if (!response.success) throw new RedoubtError('ERR_INPUT_INVALID')
    return people.assertion.complete((form.get('handle') ?? '').slice(0, 128), response.data, source)
  }
  if (claimant === null) throw new RedoubtError('ERR_INPUT_INVALID')
  const code = (form.get('code') ?? '').replaceAll(/\s/g, '').slice(0, MAX_CODE)
  return factor === 'code' ? people.totp.verify(claimant, code, source) : people.recovery.use(claimant, code, source)
}

/** A new secret for the browser either way; a session of someone else ends first. @returns the session as it is now. */
async function enter({ people }: SignInParts, visit: Visit, answered: SignedIn): Promise<Session> {
  const before = visit.signedIn
  if (before !== null && before.person.id === answered.person.id) {
    const raised = await people.sessions.raise(before.session.id, answered)
    visit.browser.signedIn(raised.secret)
    return raised.session
  }
  if (before !== null) await people.sessions.end(before.session.id, { type: 'User', id: before.person.id })
  const opened = await people.sessions.open(answered, visit.source)
  visit.browser.signedIn(opened.secret)
  return opened.session
}

async function finishFlow(flow: Interaction, { userId, mfaLevel, amr, authTime }: Session): Promise<void> {
  flow.result = {
    ...flow.lastSubmission,
    login: { accountId: userId, acr: String(mfaLevel), amr: [...amr], ts: Math.floor(authTime / 1000) },
  }
  // The flow began under another session, or none; the library would take the change for an attack, which the seal has excluded.
  if (flow.session?.uid !== undefined) delete flow.session.uid
  await flow.persist()
}

function wordsFor({ code, retryAfterSeconds }: SignInRefusal): string {
  if (code === ('ERR_SIGN_IN_LOCKED' satisfies ErrorCode))
    return `Too many attempts. Wait ${retryAfterSeconds > 90 ? `${Math.ceil(retryAfterSeconds / 60)} minutes` : `${retryAfterSeconds} seconds`} and try again.`
  return 'That did not work. Check the login name, and use a key or a fresh code that belongs to it.'
}

async function render(parts: SignInParts, visit: Visit, situation: Situation, status: number, problem: string | null): Promise<void> {
  const { claimant, flow } = situation
  const { handle, options } = await parts.people.assertion.begin(claimant, visit.source)
  const signedIn = visit.signedIn
  const known = claimant !== null && 'userId' in claimant && signedIn !== null ? await nameOf(parts, signedIn.person) : null
  const typed = claimant !== null && 'loginName' in claimant ? claimant.loginName : null
  const title = known !== null ? 'Confirm that it is you' : typed !== null ? `Sign in as ${typed}` : 'Sign in'
  const fields = hidden(visit, situation.destination, typed === null ? {} : { name: typed })
  const body = html`${why(parts, situation, known)}
    <form method="post" action="/sign-in/passkey" data-key-options="${JSON.stringify(options)}">
      ${fields}
      <input type="hidden" name="handle" value="${handle}" />
      <input type="hidden" name="response" value="" />
      <button type="submit">${typed === null && known === null ? 'Sign in with a passkey' : 'Use your passkey or security key'}</button>
      <p class="field-error" role="alert" hidden></p>
    </form>
    <noscript><p class="problem">Security keys need JavaScript. You can still sign in with a code, if your role allows it.</p></noscript>
    ${claimant === null ? nameForm(visit, situation) : codeForms(situation, fields, known !== null, signedIn?.person.factors.totp ?? true)}
    ${claimant !== null && html`<p class="aside"><a href="/sign-in?${otherQuery(visit, situation)}">Sign in as someone else</a></p>`}
    ${flow !== undefined && html`<form method="post" action="/sign-in/cancel">${hidden(visit, situation.destination)}<button class="quiet" type="submit">Cancel and go back</button></form>`}`
  answerPage(visit.res, status, page({ title, body, problem, script: true }), originAfter(flow))
}

function why(parts: SignInParts, { flow, wanted, lacking: missing, destination }: Situation, known: string | null): Markup | null {
  const client = clientOf(parts, flow)?.name
  if (known !== null) {
    const reason =
      missing === 'level'
        ? wanted.level === 3
          ? 'What you are about to do takes a security key that stays in its hardware.'
          : 'What you are about to do takes two factors.'
        : 'What you are about to do asks that you sign in anew.'
    return html`<p>You are signed in as <strong>${known}</strong>. ${reason}</p>`
  }
  if (client !== undefined) return html`<p>To go on to <strong>${client}</strong>.</p>`
  return destination.to === 'device' ? html`<p>To let a device or command line sign in as you.</p>` : null
}

function nameForm(visit: Visit, { destination }: Situation): Markup {
  return html`<p class="or">or</p>
    <form method="post" action="/sign-in">
      ${hidden(visit, destination)}
      <label for="name">Login name</label>
      <input
        id="name"
        name="name"
        type="text"
        maxlength="${MAX_NAME}"
        autocomplete="username"
        autocapitalize="none"
        spellcheck="false"
        required
      />
      <p class="hint">For a security key that does not know your name, a code from an app, or a recovery code.</p>
      <button class="secondary" type="submit">Continue</button>
    </form>`
}

function codeForms({ wanted, destination }: Situation, fields: Markup, stepUp: boolean, totp: boolean): Markup | null {
  // A code is one factor: it cannot reach what is asked for. Only who registers a new key may come with a recovery code.
  const enough = !stepUp || wanted.level <= 1
  const app = html`<p class="or">or</p>
    <form method="post" action="/sign-in/code">
      ${fields}
      <label for="code">Code from your app</label>
      <input id="code" name="code" type="text" inputmode="numeric" autocomplete="one-time-code" maxlength="10" required />
      <p class="hint">Six digits. Roles with great power sign in with a key only.</p>
      <button class="secondary" type="submit">Sign in with the code</button>
    </form>`
  const recovery = html`<details>
    <summary>No key ${enough ? 'and no app ' : ''}at hand?</summary>
    <form method="post" action="/sign-in/recovery">
      ${fields}
      <label for="recovery">Recovery code</label>
      <input
        id="recovery"
        name="code"
        type="text"
        autocomplete="off"
        autocapitalize="none"
        spellcheck="false"
        maxlength="${MAX_CODE}"
        required
      />
      <p class="hint">Each works once. Afterwards register a new key.</p>
      <button class="secondary" type="submit">Use the recovery code</button>
    </form>
  </details>`
  return html`${enough && totp && app} ${(!stepUp || destination.to === 'factor') && recovery}`
}

function otherQuery(visit: Visit, { destination }: Situation): string {
  const query = new URLSearchParams({ other: 'yes' })
  if (destination.to === 'flow') {
    query.set('flow', destination.flow)
    query.set('flow_seal', visit.browser.seal(`flow ${destination.flow}`))
  }
  if (destination.to === 'device') {
    query.set('to', 'device')
    query.set('user_code', destination.userCode)
  }
  return query.toString()
}

/** `POST /sign-in/cancel`: the client is told, in the words of RFC 9470 when it was the step-up that was declined. */
export async function cancel(parts: SignInParts, visit: Visit): Promise<void> {
  const situation = await situationOf(parts, visit, visit.form)
  const { flow } = situation
  if (flow === undefined) return redirect(visit.res, '/sign-in')
  flow.result =
    situation.lacking === null
      ? { error: 'access_denied', error_description: 'the person did not sign in' }
      : { error: 'unmet_authentication_requirements', error_description: 'the person did not show what is asked for' }
  await flow.persist()
  redirect(visit.res, wayTo(situation.destination, visit))
}
