import type { Clock } from '#foundation/core'
import type { Artifacts } from '../artifacts.ts'
import { digestOf } from './flow-artifacts.ts'

/** RFC 8628 §3.2: seconds between two polls of a device. */
export const POLL_INTERVAL_SECONDS = 5
/** Ten minutes to walk to a browser; the user code has 34 bits and attempts at it are counted. */
export const DEVICE_CODE_SECONDS = 600
/** Eight consonants in two groups: no vowels, so that no words come out (RFC 8628 §6.1). */
const USER_CODE = /^[BCDFGHJKLMNPQRSTVWXZ]{8}$/
/** Devices that poll at once; the oldest is forgotten. */
const MAX_POLLING = 10_000

/** A device that waits for a person's answer. */
export interface WaitingDevice {
  readonly id: string
  readonly userCode: string
  readonly clientId: string
  readonly params: Readonly<Record<string, string | undefined>>
  /** Address that asked for the code, to be shown to whoever decides (RFC 8628 §5.4). */
  readonly askedFrom: string
  /** Epoch milliseconds. */
  readonly askedAt: number
}

export interface Approval {
  readonly accountId: string
  readonly acr: string
  readonly amr: readonly string[]
  /** Seconds. */
  readonly authTime: number
  readonly grantId: string
  readonly sessionUid: string
  readonly resource: string
}

/** The person's side of the device flow, on what oidc-provider stored for the device's side. @see RFC 8628 */
export class DeviceCodes {
  readonly #artifacts: Artifacts
  readonly #clock: Clock
  readonly #polls = new Map<string, { at: number; intervalMs: number }>()

  constructor(artifacts: Artifacts, clock: Clock) {
    this.#artifacts = artifacts
    this.#clock = clock
  }

  /** @param typed as a person types it: any case, with or without dash and spaces. Null unless a device waits for exactly this code. */
  find(typed: string): WaitingDevice | null {
    const userCode = typed.toUpperCase().replaceAll(/[\s-]/g, '')
    if (!USER_CODE.test(userCode)) return null
    const found = this.#artifacts.byUserCode('DeviceCode', userCode)
    if (found === undefined) return null
    const { payload, id } = found
    if (payload['settled'] === true || (payload['exp'] as number) * 1000 <= this.#clock.now()) return null
    const deviceInfo = payload['deviceInfo'] as { readonly address?: string } | undefined
    return {
      id,
      userCode: `${userCode.slice(0, 4)}-${userCode.slice(4)}`,
      clientId: payload['clientId'] as string,
      params: (payload['params'] ?? {}) as WaitingDevice['params'],
      askedFrom: deviceInfo?.address ?? '',
      askedAt: (payload['iat'] as number) * 1000,
    }
  }

  /** @returns false when someone else decided first. */
  approve(device: WaitingDevice, approval: Approval): Promise<boolean> {
    return this.#artifacts.settle('DeviceCode', device.id, { ...approval, scope: 'openid' })
  }

  deny(device: WaitingDevice): Promise<boolean> {
    return this.#artifacts.settle('DeviceCode', device.id, { error: 'access_denied', errorDescription: 'the person said no' })
  }

  /**
   * Paces the polls of a device; the library does not. Each poll that comes too early makes the interval five seconds longer.
   * @returns false when it has to slow down (RFC 8628 §3.5).
   */
  poll(deviceCode: string): boolean {
    const key = digestOf(deviceCode)
    const now = this.#clock.monotonic()
    const last = this.#polls.get(key)
    const intervalMs = last?.intervalMs ?? POLL_INTERVAL_SECONDS * 1000
    const early = last !== undefined && now - last.at < intervalMs
    this.#polls.delete(key)
    this.#polls.set(key, { at: now, intervalMs: early ? intervalMs + POLL_INTERVAL_SECONDS * 1000 : intervalMs })
    if (this.#polls.size > MAX_POLLING) this.#polls.delete(this.#polls.keys().next().value!)
    return !early
  }
}
