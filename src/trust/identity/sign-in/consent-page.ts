import { RedoubtError } from '#foundation/core'
import type { Interaction } from 'oidc-provider'
import type { Person } from '../people/people.ts'
import type { HouseClient } from './clients.ts'
import { newGrant } from './flows.ts'
import { html, type Markup } from './html.ts'
import { answerPage, page, redirect } from './page.ts'
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
  wayToSignIn,
} from './visit.ts'

interface Asked {
  readonly destination: Destination
  readonly flow: Interaction
  readonly client: HouseClient
  readonly person: Person
}

/** @returns null when the visitor has to sign in first. @throws {RedoubtError} `ERR_SIGN_IN_FLOW` when nothing waits for a consent of this browser. */
async function asked(parts: SignInParts, visit: Visit, fields: URLSearchParams): Promise<Asked | null> {
  const destination = destinationOf(fields, visit.browser)
  const flow = await waitingFlow(parts, destination)
  const client = clientOf(parts, flow)
  if (flow === undefined || client === undefined || flow.prompt.name !== 'consent') throw new RedoubtError('ERR_SIGN_IN_FLOW')
  if (visit.signedIn === null) return null
  // Who is asked is who signed in to this flow; a session that changed since starts over.
  if (flow.session?.accountId !== visit.signedIn.person.id) throw new RedoubtError('ERR_SIGN_IN_FLOW')
  return { destination, flow, client, person: visit.signedIn.person }
}

/** `GET /consent`: which program, as whom, with which rights, and where the answer goes. */
export async function showConsent(parts: SignInParts, visit: Visit): Promise<void> {
  const about = await asked(parts, visit, visit.query)
  if (about === null) return redirect(visit.res, wayToSignIn(destinationOf(visit.query, visit.browser), visit))
  const { client, person, flow, destination } = about
  const target = originAfter(flow) ?? ''
  const body = html`<p><strong>${client.name}</strong> ${client.does}.</p>
    <dl>
      ${rightsOf(await nameOf(parts, person), person)}
      <dt>Answer goes to</dt>
      <dd>
        ${target.startsWith('http://127.0.0.1') ? html`a program on this computer <span class="soft origin">${target}</span>` : target}
      </dd>
    </dl>
    <p class="hint">Say no if you did not start this yourself just now.</p>
    <form method="post" action="/consent">
      ${hidden(visit, destination)}
      <button type="submit" name="decision" value="yes">Allow</button>
      <button class="secondary" type="submit" name="decision" value="no">Do not allow</button>
    </form>`
  answerPage(visit.res, 200, page({ title: `Let ${client.name} act as you?`, body }), target)
}

/** What every question of this kind tells about the person whose rights are lent. */
export function rightsOf(name: string, person: Person): Markup {
  return html`<dt>As</dt>
    <dd>${name}</dd>
    <dt>Roles</dt>
    <dd>${person.roles.length === 0 ? 'none' : person.roles.join(', ')}</dd>
    <dt>Purpose</dt>
    <dd>${person.purpose || 'none'} <span class="soft">(${person.legalBasis})</span></dd>`
}

/** `POST /consent`: on record before there is a grant. */
export async function takeConsent(parts: SignInParts, visit: Visit): Promise<void> {
  const about = await asked(parts, visit, visit.form)
  if (about === null) return redirect(visit.res, wayToSignIn(destinationOf(visit.form, visit.browser), visit))
  const { client, person, flow, destination } = about
  const yes = visit.form.get('decision') === 'yes'
  await parts.audit.record({
    type: 'access.consent',
    actor: { type: 'User', id: person.id },
    action: 'authenticate',
    resource: { type: 'System', id: 'identity' },
    outcome: yes ? 'success' : 'refused',
    details: { client: client.id },
  })
  if (yes) {
    const grant = await newGrant(parts.provider(), person.id, client.id)
    await parts.consents.remember(person.id, person.epoch, client.id)
    flow.result = { ...flow.lastSubmission, consent: { grantId: grant.jti } }
  } else flow.result = { error: 'access_denied', error_description: 'the person said no' }
  await flow.persist()
  redirect(visit.res, wayTo(destination, visit))
}
