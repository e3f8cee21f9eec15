import { createHmac } from 'node:crypto'
import { addressBytes, surrounding } from './address.ts'
import type { Countries } from './country-file.ts'
import type { Networks } from './networks.ts'
import { agentFamily } from './agent-family.ts'

/** Where a request comes from. */
export interface Place {
  /** Name of the configured network; empty when it is of none. */
  readonly network: string
  readonly country: string
  /** Keyed hash of the network: of its name, else of the address's /24 or /48. */
  readonly networkKey: string
}

/** Ten thousand callers' addresses and programs are remembered; beyond, they are worked out anew. */
const MAX_CACHED = 10_000
const MAX_AGENT_CHARACTERS = 512
/** 96 bits: no two of the few places that are compared share one by chance. */
const KEY_CHARACTERS = 16

/** Works out once what an address and a program are, so that a warm request costs two look-ups. Keeps neither on disk in clear. */
export class Places {
  readonly #networks: Networks
  readonly #countries: Countries
  readonly #hashKey: Uint8Array
  readonly #byAddress = new Map<string, Place>()
  readonly #byAgent = new Map<string, string>()
  readonly #byThumbprint = new Map<string, string>()

  constructor(parts: { readonly networks: Networks; readonly countries: Countries; readonly hashKey: Uint8Array }) {
    this.#networks = parts.networks
    this.#countries = parts.countries
    this.#hashKey = parts.hashKey
  }

  at(address: string): Place {
    return this.#byAddress.get(address) ?? kept(this.#byAddress, address, this.#placeOf(address))
  }

  /** Keyed hash of what the caller calls with: the key its token is bound to, else the family of its program. */
  device(userAgent: string | undefined, keyThumbprint: string | undefined): string {
    if (keyThumbprint !== undefined)
      return this.#byThumbprint.get(keyThumbprint) ?? kept(this.#byThumbprint, keyThumbprint, this.#hash(`key ${keyThumbprint}`))
    const agent = (userAgent ?? '').slice(0, MAX_AGENT_CHARACTERS)
    return this.#byAgent.get(agent) ?? kept(this.#byAgent, agent, this.#hash(`agent ${agentFamily(agent)}`))
  }

  #placeOf(address: string): Place {
    const bytes = addressBytes(address)
    if (bytes === null) return { network: '', country: '', networkKey: this.#hash('nowhere') }
    const network = this.#networks.nameOf(bytes)
    const of = network === '' ? `prefix ${Buffer.from(surrounding(bytes)).toString('hex')}` : `network ${network}`
    return { network, country: this.#countries.of(address), networkKey: this.#hash(of) }
  }

  #hash(text: string): string {
    return createHmac('sha256', this.#hashKey).update(text).digest('base64url').slice(0, KEY_CHARACTERS)
  }
}

function kept<Value>(cache: Map<string, Value>, key: string, value: Value): Value {
  if (cache.size >= MAX_CACHED) cache.clear()
  cache.set(key, value)
  return value
}
