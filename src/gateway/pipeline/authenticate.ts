import { refusalError } from '#trust/identity'
import type { House } from './house.ts'
import type { Authenticated, Received, Refused } from './states.ts'

/** Who asks: a verified, unrevoked access token, whatever the source (B8). Nothing of the body has been read yet. */
export function authenticate(house: House, received: Received): Authenticated | Refused {
  const principal = house.identity.authenticate(received.credentials)
  return 'code' in principal ? { refused: refusalError(principal), state: received } : { received, principal }
}
