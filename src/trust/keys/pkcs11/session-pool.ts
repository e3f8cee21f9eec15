import { CK, type Cryptoki, type Handle } from './cryptoki.ts'

interface Session {
  handle: Handle
  /** What runs and waits on it, in its order. */
  tail: Promise<unknown>
  waiting: number
}

/** Sessions with one token. PKCS#11 allows one operation at a time in each, so each has a queue; work goes to the shortest. */
export class SessionPool {
  readonly #cryptoki: Cryptoki
  readonly #slot: Handle
  readonly #sessions: readonly Session[]

  constructor(cryptoki: Cryptoki, slot: Handle, count: number) {
    this.#cryptoki = cryptoki
    this.#slot = slot
    this.#sessions = Array.from({ length: count }, () => ({ handle: this.#open(), tail: Promise.resolve(), waiting: 0 }))
  }

  /** To log in by: that holds for all sessions. */
  get first(): Handle {
    return this.#sessions[0]!.handle
  }

  run<T>(work: (session: Handle) => Promise<T>): Promise<T> {
    const session = this.#sessions.reduce((shortest, other) => (other.waiting < shortest.waiting ? other : shortest))
    session.waiting++
    const result = session.tail.then(() => work(session.handle))
    session.tail = result.then(
      () => void session.waiting--,
      () => {
        session.waiting--
        this.#renew(session)
      },
    )
    return result
  }

  /** After an error an operation may still be open in the session (SoftHSM does that for bad arguments) and would refuse every later one. */
  #renew(session: Session): void {
    try {
      const fresh = this.#open()
      const old = session.handle
      session.handle = fresh
      this.#cryptoki.C_CloseSession(old)
    } catch {
      // The next call finds out what is wrong, and says so.
    }
  }

  #open(): Handle {
    return this.#cryptoki.C_OpenSession(this.#slot, CK.F_SERIAL_SESSION | CK.F_RW_SESSION)
  }
}
