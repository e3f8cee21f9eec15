import { readFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { type ErrorCode, parseStrictJson, RedoubtError } from '#foundation/core'
import { z } from 'zod'
import { answer, answerJson, answerProblem, mediaType } from './http.ts'
import { PAGE_HEADERS_OF_ALL } from './page-headers.ts'
import type { Enrolment } from './people/enrolment.ts'
import { registrationResponse } from './webauthn.ts'

const PAGE_HEADERS = { ...PAGE_HEADERS_OF_ALL, 'permissions-policy': 'publickey-credentials-create=(self)' } as const

const text = (name: string): string => readFileSync(new URL(`./pages/${name}`, import.meta.url), 'utf8')

/** Any writing system, joiners included; no control characters and nothing that reorders the text around it. */
const NAME = /^[^\p{Cc}\p{Cs}\p{Co}\u202A-\u202E\u2066-\u2069]+$/u
const displayName = z.string().trim().min(1).max(64).regex(NAME)
const beginBody = z.object({ displayName: displayName.optional() }).strict()
const completeBody = z.object({ displayName: displayName.optional(), credential: registrationResponse }).strict()
const codeBody = z.object({ code: z.string().max(16) }).strict()
const STEPS = ['begin', 'complete', 'totp/begin', 'totp/complete'] as const
type Step = (typeof STEPS)[number]

/** What concerns whoever holds the link, and is nobody's fault here. */
const refusedHere = (error: unknown): error is RedoubtError =>
  error instanceof RedoubtError &&
  (error.code === 'ERR_ENROLMENT_INVALID' ||
    error.code === 'ERR_CONFLICT' ||
    error.code.startsWith('ERR_WEBAUTHN') ||
    error.code === 'ERR_TOTP_CODE' ||
    error.code === 'ERR_FACTOR_NOT_ALLOWED')

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
        const kind = enrolment.kindOf(rest)
        if (kind !== null)
          return answer(res, 200, 'text/html; charset=utf-8', page.replace('data-kind=""', `data-kind="${kind}"`), PAGE_HEADERS)
        refused('ERR_ENROLMENT_INVALID')
        return answer(res, 403, 'text/html; charset=utf-8', expired, PAGE_HEADERS)
      }
      const [token = '', ...path] = rest.split('/')
      const step = STEPS.find((one) => one === path.join('/'))
      if (step === undefined) return answerProblem(res, 'ERR_ROUTE_UNKNOWN')
      if (mediaType(req) !== 'application/json') return answerProblem(res, 'ERR_INPUT_CONTENT_TYPE')
      const value = parseStrictJson(body, { maxBytes: body.byteLength, maxDepth: 6 })
      try {
        answerJson(res, 200, await take(enrolment, token, step, value))
      } catch (error) {
        if (refusedHere(error)) refused(error.code)
        throw error
      }
    },
  }
}

/** @throws {RedoubtError} `ERR_INPUT_INVALID`, and what the enrolment refuses. */
async function take(enrolment: Enrolment, token: string, step: Step, value: unknown): Promise<unknown> {
  switch (step) {
    case 'begin':
      return usable(await enrolment.begin(token, valid(beginBody, value).displayName ?? null))
    case 'complete': {
      const { displayName, credential } = valid(completeBody, value)
      return { enrolled: true, ...(await enrolment.complete(token, displayName ?? null, credential)) }
    }
    case 'totp/begin':
      valid(z.object({}).strict(), value)
      return usable(await enrolment.beginTotp(token))
    default:
      return { enrolled: true, ...(await enrolment.completeTotp(token, valid(codeBody, value).code)) }
  }
}

function usable<Value>(value: Value | null): Value {
  if (value === null) throw new RedoubtError('ERR_ENROLMENT_INVALID')
  return value
}

function valid<Output>(schema: z.ZodType<Output>, value: unknown): Output {
  const parsed = schema.safeParse(value)
  if (!parsed.success) throw new RedoubtError('ERR_INPUT_INVALID')
  return parsed.data
}
