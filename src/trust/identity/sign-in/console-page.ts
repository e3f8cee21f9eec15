import { html } from './html.ts'
import { answerPage, page } from './page.ts'
import type { SignInParts, Visit } from './visit.ts'

/** `GET /console/` and where its sign-in would end: this server has no console, and says so to whoever is sent there. A code in the address is not used. */
export function showConsole(_parts: SignInParts, visit: Visit): void {
  const body = html`<p>
      This server is worked with at the command line, with <code>redoubt</code>. A console in the browser does not come with it.
    </p>
    <p>A program of yours that signs people in as the console catches the answer before the browser gets here. You can close this page.</p>
    <p class="aside"><a href="/sessions">See and end your sessions</a></p>`
  answerPage(visit.res, 200, page({ title: 'There is no console here', body }))
}
