import type { ErrorCode, RedoubtError } from '#foundation/core'
import type { TransformWork, WorkDone } from './transform-work.ts'

/** What a thread may ask for, each answered under its number. No row and no value of one is in any of these. */
export type WorkQuestion =
  | { readonly ask: 'unwrap'; readonly wrapped: unknown; readonly use: unknown }
  | { readonly ask: 'generate'; readonly resource: string }
  | { readonly ask: 'record'; readonly event: unknown }
  | { readonly ask: 'place' }

export type FromWorker =
  | { readonly kind: 'question'; readonly number: number; readonly question: WorkQuestion }
  | { readonly kind: 'progress'; readonly rows: number }
  | { readonly kind: 'done'; readonly done: WorkDone }
  | { readonly kind: 'failed'; readonly error: Told }

export type ToWorker =
  | { readonly kind: 'work'; readonly work: TransformWork; readonly objects: string }
  | { readonly kind: 'answer'; readonly number: number; readonly answer: unknown }
  | { readonly kind: 'refusal'; readonly number: number; readonly error: Told }

/** An error as it goes from one thread to another. */
export interface Told {
  readonly code: ErrorCode
  readonly message: string
  readonly evidence: RedoubtError['evidence']
}

export const told = ({ code, message, evidence }: RedoubtError): Told => ({ code, message, evidence: { ...evidence } })
