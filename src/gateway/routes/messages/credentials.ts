import type { IncomingMessage, ServerResponse } from 'node:http'
import { countHeader } from '#foundation/core'
import { type Credentials, credentialsOf } from '#trust/identity'

/**
 * Anthropic's clients send their key as `authorization: Bearer` or as `x-api-key`; it is the same access token. Both at once is two
 * tokens, which is refused as everywhere (RFC 6750 §2).
 */
export function messagesCredentials(request: IncomingMessage, response: ServerResponse): Credentials {
  const credentials = credentialsOf(request, response)
  const keys = countHeader(request.rawHeaders, 'x-api-key')
  if (keys === 0) return credentials
  const key = request.headers['x-api-key']
  const authorizationCount = credentials.authorizationCount + keys
  if (authorizationCount > 1 || typeof key !== 'string' || key === '') return { ...credentials, authorizationCount }
  return { ...credentials, authorization: `Bearer ${key}`, authorizationCount }
}
