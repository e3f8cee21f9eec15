import { asRedoubtError } from '#foundation/core'

/** What has to be closed, in the reverse of the order in which it was opened. */
export class Closers {
  #closers: (() => Promise<unknown> | void)[] = []

  push(close: () => Promise<unknown> | void): void {
    this.#closers.push(close)
  }

  /**
   * One part that cannot close (a log whose disk is full) must not keep the others open.
   * @throws {RedoubtError} the first failure, when all have been asked.
   */
  async closeAll(): Promise<void> {
    const failures: unknown[] = []
    for (const close of this.#closers.splice(0).reverse()) {
      try {
        await close()
      } catch (thrown) {
        failures.push(thrown)
      }
    }
    if (failures.length > 0) throw asRedoubtError(failures[0])
  }
}
