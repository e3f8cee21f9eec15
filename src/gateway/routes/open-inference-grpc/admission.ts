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

/**
 * Who asks, before a byte of the message is read: the library would otherwise hold whole messages of callers that nobody knows. Then the message
 * has to arrive in time.
 */
export class Admission {
  readonly #house: Pick<House, 'identity' | 'bodyTimeoutMs'>
  readonly #ends: OtherEnds
  /** Once for each call: a proof of possession works once. */
  readonly #principals = new WeakMap<Metadata, Principal>()

  constructor(options: OtherEnds & { readonly house: Pick<House, 'identity' | 'bodyTimeoutMs'> }) {
    this.#house = options.house
    this.#ends = options
  }

  readonly interceptor: ServerInterceptor = ({ path }, call) => {
    const method = path.slice(path.lastIndexOf('/') + 1)
    let timer: NodeJS.Timeout | undefined
    const refuse = (error: RedoubtError): void => call.sendStatus(statusOf(error, newId('req')))
    const listener = new ServerListenerBuilder()
      .withOnReceiveMetadata((metadata, next) => {
        const refused = OPEN_METHODS.has(method) ? null : this.#refusal(metadata, method, call)
        if (refused !== null) return refuse(refused)
        timer = setTimeout(() => refuse(new RedoubtError('ERR_INPUT_TIMEOUT')), this.#house.bodyTimeoutMs ?? BODY_TIMEOUT_MS)
        return next(metadata)
      })
      .withOnReceiveMessage((message, next) => {
        clearTimeout(timer)
        next(message)
      })
      .withOnCancel(() => clearTimeout(timer))
      .build()
    const responder = new ResponderBuilder()
      .withStart((next) => next(listener))
      .withSendStatus((status, next) => {
        clearTimeout(timer)
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
        authenticate: () => principal ?? { code: 'ERR_TOKEN_MISSING' },
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
