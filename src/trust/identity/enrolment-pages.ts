import { readFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { type ErrorCode, parseStrictJson, RedoubtError } from '#foundation/core'
import { z } from 'zod'
import type { Enrolment } from './enrolment.ts'
import { answer, answerJson, answerProblem, mediaType } from './http.ts'
import { registrationResponse } from './webauthn.ts'

const PAGE_HEADERS = {
  // Nothing inline, nothing from elsewhere, no framing: the page may load two files of ours and talk to us.
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'x-frame-options': 'DENY',
  'permissions-policy': 'publickey-credentials-create=(self)',
} as const

const text = (name: string): string => readFileSync(new URL(`./pages/${name}`, import.meta.url), 'utf8')

/** Any writing system, joiners included; no control characters and nothing that reorders the text around it. */
const NAME = /^[^\p{Cc}\p{Cs}\p{Co}\u202A-\u202E\u2066-\u2069]+$/u
const displayName = z.string().trim().min(1).max(64).regex(NAME)
const beginBody = z.object({ displayName }).strict()
const completeBody = z.object({ displayName, credential: registrationResponse }).strict()

export interface EnrolmentPages {
  /** @param rest what follows `/enrol/` in the path. */
  handle(rest: string, req: IncomingMessage, res: ServerResponse, body: Buffer): Promise<void>
}

/** The enrolment page, its two files and its two calls. Everything is decided in `Enrolment`; this is its HTTP form. */
export function enrolmentPages(enrolment: Enrolment, refused: (code: ErrorCode) => void): EnrolmentPages {
  const page = text('enrol.html')
  const expired = text('expired.html')
  const script = text('enrol.browser.js')
  return {
    async handle(rest, req, res, body) {
      if (req.method === 'GET' || req.method === 'HEAD') {
        if (rest === 'assets/enrol.js') return answer(res, 200, 'text/javascript; charset=utf-8', script, PAGE_HEADERS)
        if (rest.includes('/')) return answerProblem(res, 'ERR_ROUTE_UNKNOWN')
        if (enrolment.usable(rest)) return answer(res, 200, 'text/html; charset=utf-8', page, PAGE_HEADERS)
        refused('ERR_ENROLMENT_INVALID')
        return answer(res, 403, 'text/html; charset=utf-8', expired, PAGE_HEADERS)
      }
      const [token = '', step, ...more] = rest.split('/')
      if (more.length > 0 || (step !== 'begin' && step !== 'complete')) return answerProblem(res, 'ERR_ROUTE_UNKNOWN')
      if (mediaType(req) !== 'application/json') return answerProblem(res, 'ERR_INPUT_CONTENT_TYPE')
      const value = parseStrictJson(body, { maxBytes: body.byteLength, maxDepth: 6 })
      if (step === 'begin') {
        const ask = beginBody.safeParse(value)
        if (!ask.success) return answerProblem(res, 'ERR_INPUT_INVALID')
        const options = await enrolment.begin(token, ask.data.displayName)
        if (options !== null) return answerJson(res, 200, options)
        refused('ERR_ENROLMENT_INVALID')
        return answerProblem(res, 'ERR_ENROLMENT_INVALID')
      }
      const ask = completeBody.safeParse(value)
      if (!ask.success) return answerProblem(res, 'ERR_INPUT_INVALID')
      try {
        await enrolment.complete(token, ask.data.displayName, ask.data.credential)
      } catch (error) {
        if (error instanceof RedoubtError && (error.code === 'ERR_ENROLMENT_INVALID' || error.code === 'ERR_WEBAUTHN')) refused(error.code)
        throw error
      }
      answerJson(res, 200, { enrolled: true })
    },
  }
}
