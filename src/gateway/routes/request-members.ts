import { RedoubtError } from '#foundation/core'
import type { Branch, Tree } from './chat-completions/texts.ts'

/** What the requests of all APIs of language models are read with: each refusal says which member it is about. */

export function isBranch(value: unknown): value is Branch {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** A refusal that names the member, never its value. */
export function invalid(message: string, param: string): RedoubtError {
  return new RedoubtError('ERR_INPUT_INVALID', message, { evidence: { param } })
}

/** @throws {RedoubtError} `ERR_INPUT_INVALID` when it is missing, no text, or longer than `maxLength` UTF-16 units. */
export function text(value: Tree | undefined, param: string, maxLength: number): string {
  if (value === undefined || value === null) throw invalid(`\`${param}\` is missing`, param)
  if (typeof value !== 'string') throw invalid(`\`${param}\` is not a text`, param)
  if (value.length > maxLength) throw invalid(`\`${param}\` is longer than ${maxLength} characters`, param)
  return value
}

export function optionalText(value: Tree | undefined, param: string, maxLength: number): string | null {
  return value === undefined || value === null ? null : text(value, param, maxLength)
}

export function object(value: Tree | undefined, param: string): Branch | null {
  if (value === undefined || value === null) return null
  if (!isBranch(value)) throw invalid(`\`${param}\` is not an object`, param)
  return value
}

/** False when it is missing. */
export function flag(value: Tree | undefined, param: string): boolean {
  if (value === undefined || value === null) return false
  if (typeof value !== 'boolean') throw invalid(`\`${param}\` is neither true nor false`, param)
  return value
}

/** A whole number from 1 to `maximum`; null when it is missing. */
export function integer(value: Tree | undefined, param: string, maximum: number): number | null {
  if (value === undefined || value === null) return null
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 1 || value > maximum) {
    throw invalid(`\`${param}\` is not a whole number from 1 to ${maximum}`, param)
  }
  return value
}

export const MAX_COMPLETION_TOKENS = 10_000_000
const MAX_IDENTIFIER_LENGTH = 512
const MAX_MODEL_LENGTH = 256
/** The members in which OpenAI's clients name a person, the one that counts first. */
const PERSON_MEMBERS = ['safety_identifier', 'user'] as const

export function bodyObject(document: Tree): Branch {
  if (!isBranch(document)) throw new RedoubtError('ERR_INPUT_INVALID', 'the body is not a JSON object')
  return document
}

export function modelName(document: Branch): string {
  const model = text(document['model'], 'model', MAX_MODEL_LENGTH)
  if (model === '') throw invalid('`model` is empty', 'model')
  return model
}

/** The person the client speaks for, as the client names them. */
export function subjectOf(document: Branch): string | null {
  for (const member of PERSON_MEMBERS) {
    const subject = optionalText(document[member], member, MAX_IDENTIFIER_LENGTH)
    if (subject !== null) return subject
  }
  return null
}

/** Puts a pseudonym in place of the person, or leaves the person out. Changes and returns `body`. */
export function withPerson(body: Branch, pseudonym: string | null): Branch {
  for (const member of PERSON_MEMBERS) {
    if (pseudonym !== null && typeof body[member] === 'string') body[member] = pseudonym
    else delete body[member]
  }
  return body
}

/** A name that the caller sent, fit for a message. It is not told to the record: it could be a person's. */
export const quotable = (name: string): string => name.slice(0, 64).replace(/[^\x20-\x5f\x61-\x7e]/g, '?')
