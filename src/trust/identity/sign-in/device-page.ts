import { RedoubtError } from '#foundation/core'
import { subscriberOf } from '#trust/conditions'
import type { Person } from '../people/people.ts'
import { rightsOf } from './consent-page.ts'
import { DEVICE_CODE_SECONDS, type WaitingDevice } from './device-codes.ts'
import { newGrant } from './flows.ts'
import { html } from './html.ts'
import { answerPage, page, redirect } from './page.ts'
import { lacking, requirementOf } from './requirements.ts'
import { hidden, nameOf, type SignInParts, type Visit, wayToSignIn } from './visit.ts'

/** Guesses of one session in the life of a code; 34 bits against these take longer than the world has been there (RFC 8628 §5.1). */
export const CODE_ATTEMPTS = { windowMs: DEVICE_CODE_SECONDS * 1000, perKey: 10, together: 1_000 } as const
/** A session that a device was given; ended when the device signs out. */
export const DEVICE_SESSION = 'DeviceSession'
const DEVICE_SESSION_SECONDS = 31 * 24 * 60 * 60

/** `GET /device`, with or without the code that the device printed. */
export async function showDevice(parts: SignInParts, visit: Visit): Promise<void> {
  const typed = (visit.query.get('user_code') ?? '').slice(0, 16)
  if (visit.signedIn === null) return redirect(visit.res, wayToSignIn({ to: 'device', userCode: typed }, visit))
  if (typed === '') return askForCode(visit, 200, '', null)
  return confirm(parts, visit, visit.signedIn.person, typed)
}

/** `POST /device`: the code, typed. */
export async function takeCode(parts: SignInParts, visit: Visit): Promise<void> {
  const typed = (visit.form.get('user_code') ?? '').trim().slice(0, 16)
  if (visit.signedIn === null) return redirect(visit.res, wayToSignIn({ to: 'device', userCode: typed }, visit))
  return confirm(parts, visit, visit.signedIn.person, typed)
}

/** Asked each time, even when the code came in the link: whoever sent the link may be the attacker (RFC 8628 §3.3.1, §5.4). */
async function confirm(parts: SignInParts, visit: Visit, person: Person, typed: string): Promise<void> {
  const device = guess(parts, visit, person, typed)
  if (device === null) return
  const client = parts.clients.get(device.clientId)
  const body = html`<p><strong>${client?.name ?? device.clientId}</strong> ${client?.does ?? 'acts as you'}.</p>
    <p class="code" aria-label="Code ${device.userCode.split('').join(' ')}">${device.userCode}</p>
    <dl>
      ${rightsOf(await nameOf(parts, person), person)}
      <dt>Asked from</dt>
      <dd>${device.askedFrom || 'unknown address'}</dd>
    </dl>
    <p class="hint">
      Allow it only if this code is on a screen before you, and you asked for it yourself. Nobody has a reason to send you one.
    </p>
    <form method="post" action="/device/decide">
      ${hidden(visit, null, { user_code: device.userCode })}
      <button type="submit" name="decision" value="yes">Allow</button>
      <button class="secondary" type="submit" name="decision" value="no">Do not allow</button>
    </form>`
  answerPage(visit.res, 200, page({ title: 'Is this your code?', body }))
}

/** Looks a code up, counting what is wrong. @returns null when the answer has been given. */
function guess(parts: SignInParts, visit: Visit, person: Person, typed: string): WaitingDevice | null {
  const keys = [`person ${person.id}`, `source ${subscriberOf(visit.source.sourceAddress)}`]
  const wait = Math.max(...keys.map((key) => parts.codeAttempts.wait(key)))
  if (wait > 0) {
    parts.refused('ERR_SIGN_IN_LOCKED')
    visit.res.setHeader('retry-after', String(Math.ceil(wait / 1000)))
    askForCode(visit, 429, '', `Too many wrong codes. Wait ${Math.ceil(wait / 60_000)} minutes and ask your device for a new one.`)
    return null
  }
  const device = parts.devices.find(typed)
  if (device !== null) return device
  for (const key of keys) parts.codeAttempts.count(key)
  parts.refused('ERR_DEVICE_CODE')
  askForCode(visit, 403, typed, 'No device waits for this code. It may be mistyped, used or too old.')
  return null
}

function askForCode(visit: Visit, status: number, typed: string, problem: string | null): void {
  const body = html`<p>Type the code that your command line or device shows.</p>
    <form method="post" action="/device">
      ${hidden(visit, null)}
      <label for="user_code">Code</label>
      <input
        id="user_code"
        name="user_code"
        type="text"
        class="code"
        value="${typed}"
        maxlength="16"
        autocomplete="off"
        autocapitalize="characters"
        spellcheck="false"
        placeholder="XXXX-XXXX"
        required${problem !== null && html` aria-invalid="true" aria-describedby="problem"`}
      />
      <button type="submit">Continue</button>
    </form>`
  answerPage(visit.res, status, page({ title: 'Connect a device', body, problem }))
}

/**
 * `POST /device/decide`. The device gets a session of its own, with what its owner showed, so that it can be ended alone. On record
 * before there is a session.
 */
export async function decide(parts: SignInParts, visit: Visit): Promise<void> {
  const { signedIn, form } = visit
  const typed = (form.get('user_code') ?? '').slice(0, 16)
  if (signedIn === null) return redirect(visit.res, wayToSignIn({ to: 'device', userCode: typed }, visit))
  const { person, session } = signedIn
  const device = guess(parts, visit, person, typed)
  if (device === null) return
  const by = { type: 'User', id: person.id } as const
  const event = {
    type: 'access.device',
    actor: by,
    action: 'authenticate',
    resource: { type: 'System', id: 'identity' },
    details: { client: device.clientId },
  } as const
  if (form.get('decision') !== 'yes') {
    await parts.devices.deny(device)
    await parts.audit.record({ ...event, outcome: 'refused' })
    return answerPage(visit.res, 200, page({ title: 'Not allowed', body: html`<p>The device was told no. You can close this page.</p>` }))
  }
  const missing = lacking(session, requirementOf(device.params), parts.clock.now())
  // Whoever signed in after the device asked has done it for this: the walk to the browser does not make it old.
  if (missing === 'level' || (missing === 'age' && session.authTime < device.askedAt))
    return redirect(visit.res, wayToSignIn({ to: 'device', userCode: device.userCode }, visit))
  await parts.audit.record({ ...event, outcome: 'success' })
  const client = parts.clients.get(device.clientId)
  const opened = await parts.people.sessions.openFrom(session.id, {
    sourceAddress: device.askedFrom,
    userAgent: client?.name ?? device.clientId,
  })
  const { mfaLevel, amr, authTime } = opened.session
  await parts.artifacts.adapter(DEVICE_SESSION).upsert(opened.session.id, {}, DEVICE_SESSION_SECONDS)
  const grant = await newGrant(parts.provider(), person.id, device.clientId)
  const approved = await parts.devices.approve(device, {
    accountId: person.id,
    acr: String(mfaLevel),
    amr,
    authTime: Math.floor(authTime / 1000),
    grantId: grant.jti,
    sessionUid: opened.session.id,
    resource: parts.issuer,
  })
  if (!approved) {
    await parts.people.sessions.end(opened.session.id, by)
    throw new RedoubtError('ERR_DEVICE_CODE')
  }
  const done = html`<p><strong>${client?.name ?? device.clientId}</strong> acts as you now. You can close this page and go on there.</p>
    <p class="aside"><a href="/sessions">See and end your sessions</a></p>`
  answerPage(visit.res, 200, page({ title: 'Connected', body: done }))
}
