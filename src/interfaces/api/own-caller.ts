import type { FastifyRequest } from 'fastify'
import { RedoubtError } from '#foundation/core'
import type { Acting, Principal } from '#trust/identity'
import { callerOf } from './guard.ts'

/** A person who is here themselves: with a session of their own and the factors that they showed for it. */
export interface OwnCaller {
  readonly userId: string
  readonly sessionId: string
  readonly mfaLevel: 1 | 2 | 3
  /** Epoch milliseconds. */
  readonly authTime: number
}

/**
 * Who asks for something of their own account: links, sessions, recoveries. A token that a program was given in exchange names the
 * person and their session too, and speaks for the program (RFC 8693 §1.1): with it the program could make a key for itself.
 * @throws {RedoubtError} `ERR_TOKEN_DELEGATED` for a program that acts for someone, `ERR_MFA_REQUIRED` for whoever is no person.
 */
export function ownCaller(request: FastifyRequest): OwnCaller {
  const { facts, authTime, mfaLevel, sessionId, onBehalfBy } = callerOf(request)
  if (onBehalfBy !== '') throw new RedoubtError('ERR_TOKEN_DELEGATED')
  if (facts.type !== 'User' || sessionId === null || authTime === null || !isLevel(mfaLevel)) throw new RedoubtError('ERR_MFA_REQUIRED')
  return { userId: facts.id, sessionId, mfaLevel, authTime }
}

/** Who acts on people, and through which program: power is given by people themselves. */
export const actingOf = ({ facts: { type, id }, onBehalfBy }: Principal): Acting => ({ type, id, onBehalfBy })

const isLevel = (level: number): level is 1 | 2 | 3 => level === 1 || level === 2 || level === 3
