import {
  type Metadata,
  ResponderBuilder,
  type ServerInterceptor,
  ServerInterceptingCall,
  type ServerInterceptingCallInterface,
  ServerListenerBuilder,
} from '@grpc/grpc-js'
import { newId, RedoubtError } from '#foundation/core'
import type { House } from '#gateway/pipeline'
import { type Principal, refusalError } from '#trust/identity'
import { BODY_TIMEOUT_MS } from '../collect-body.ts'
import { credentialsOf, type OtherEnds } from './caller.ts'
import { statusOf } from './surface.ts'

/** The reviewed list: methods that anyone may call, as their REST twins. Everything else demands an access token. */
const OPEN_METHODS: ReadonlySet<string> = new Set(['ServerLive', 'ServerReady'])
/** Their messages are empty, and nobody knows who sends them: few at a time, and at once. */
const OPEN_TIMEOUT_MS = 2_000
const MAX_OPEN = 16

/**
 * Who asks, before a byte of the message is read: the library would otherwise hold whole messages of callers that nobody knows. Then the message
 * has to arrive in time.
 */
export class Admission {
  readonly #house: Pick<House, 'identity' | 'bodyTimeoutMs'>
  readonly #ends: OtherEnds
  /** Calls that anyone may make, and whose message is awaited. */
  #open = 0
  /** Once for each call: a proof of possession works once. */
  readonly #principals = new WeakMap<Metadata, Principal>()

  constructor(options: OtherEnds & { readonly house: Pick<House, 'identity' | 'bodyTimeoutMs'> }) {
    this.#house = options.house
    this.#ends = options
  }

  readonly interceptor: ServerInterceptor = ({ path }, call) => {
    const method = path.slice(path.lastIndexOf('/') + 1)
    const isOpen = OPEN_METHODS.has(method)
    let timer: NodeJS.Timeout | undefined
    let counted = false
    const arrived = (): void => {
      clearTimeout(timer)
      if (counted) this.#open--
      counted = false
    }
    const refuse = (error: RedoubtError): void => call.sendStatus(statusOf(error, newId('req')))
    const listener = new ServerListenerBuilder()
      .withOnReceiveMetadata((metadata, next) => {
        const refused = isOpen ? null : this.#refusal(metadata, method, call)
        if (refused !== null) return refuse(refused)
        if (isOpen && this.#open >= MAX_OPEN) return refuse(new RedoubtError('ERR_BUSY'))
        if (isOpen) {
          this.#open++
          counted = true
        }
        const timeoutMs = isOpen ? OPEN_TIMEOUT_MS : (this.#house.bodyTimeoutMs ?? BODY_TIMEOUT_MS)
        timer = setTimeout(() => refuse(new RedoubtError('ERR_INPUT_TIMEOUT')), timeoutMs)
        return next(metadata)
      })
      // Not with the message: the library waits for the end of what the caller sends before it asks anyone.
      .withOnReceiveHalfClose((next) => {
        arrived()
        next()
      })
      .withOnCancel(arrived)
      .build()
    const responder = new ResponderBuilder()
      .withStart((next) => next(listener))
      .withSendStatus((status, next) => {
        arrived()
        next(status)
      })
      .build()
    return new ServerInterceptingCall(call, responder)
  }

  /** The house as this call sees it: who asks has been found out. A call that did not come by here is nobody's. */
  houseOf(house: House, { metadata }: { readonly metadata: Metadata }): House {
    const principal = this.#principals.get(metadata)
    const { identity } = house
    return {
      ...house,
      identity: {
        authenticate() {
          if (principal === undefined) return { code: 'ERR_TOKEN_MISSING' }
          // The message may have taken its time.
          const ended = identity.stillValid(principal)
          return ended === null ? principal : { code: ended }
        },
        stillValid: (who) => identity.stillValid(who),
      },
    }
  }

  #refusal(metadata: Metadata, method: string, call: Pick<ServerInterceptingCallInterface, 'getPeer'>): RedoubtError | null {
    const calling = { metadata, getPeer: () => call.getPeer() }
    const principal = this.#house.identity.authenticate(credentialsOf(calling, method, this.#ends))
    if ('code' in principal) return refusalError(principal)
    this.#principals.set(metadata, principal)
    return null
  }
}
