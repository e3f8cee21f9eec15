import type { Finding } from '../segment-machine.ts'
import type { ConfidentialPlan } from './confidential-redactor.ts'
import { ConfidentialScanner } from './confidential-scanner.ts'
import { MatchList } from './match-list.ts'

/** Finds what is confidential in a text that somebody else passes on, and reports it in order with what others find in it, whose values inside of it are left out. */
export class ConfidentialFindings {
  readonly #scanner: ConfidentialScanner
  readonly #matches = new MatchList()
  readonly #report: (finding: Finding) => void
  #others: Finding[] = []
  /** Up to here all is confidential. */
  #coveredTo = 0

  constructor({ index, actions }: ConfidentialPlan, report: (finding: Finding) => void) {
    this.#report = report
    this.#scanner = new ConfidentialScanner(index, actions, (entity, start, end) =>
      this.#matches.add(entity, actions.get(entity)!, start, end),
    )
  }

  /** Takes what others found; its place in the order is told later. */
  add(finding: Finding): void {
    this.#others.push(finding)
  }

  /** @param decided units of the text that others have decided about. */
  push(text: string, decided: number): void {
    this.#scanner.push(text)
    this.#tell(Math.min(decided, this.#scanner.safe()))
  }

  /** Ends the text. */
  end(): void {
    this.#scanner.end()
    this.#tell(Number.POSITIVE_INFINITY)
  }

  /** Units at the end about which nothing is decided. */
  get heldBack(): number {
    return this.#scanner.position - this.#scanner.safe()
  }

  #tell(before: number): void {
    const mine = new Set<Finding>()
    for (const { entity, action, start, end } of this.#matches.take(before)) mine.add({ entity, action, start, end, score: 1 })
    const isTold = ({ start }: Finding): boolean => start < before
    const all = [...mine, ...this.#others.filter(isTold)].sort((a, b) => a.start - b.start || b.end - a.end)
    this.#others = this.#others.filter((finding) => !isTold(finding))
    for (const finding of all) {
      const isMine = mine.has(finding)
      if (!isMine && finding.start < this.#coveredTo) continue
      if (isMine) this.#coveredTo = Math.max(this.#coveredTo, finding.end)
      this.#report(finding)
    }
  }
}
