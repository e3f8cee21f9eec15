/** What one check found. `unknown` is what could not be looked at: it is never shown as fine. */
export interface Finding {
  readonly check: string
  readonly state: 'ok' | 'warning' | 'problem' | 'unknown'
  readonly detail: string
  /** How to mend it; empty when nothing is wrong. */
  readonly mend: string
}

export const ok = (check: string, detail: string): Finding => ({ check, state: 'ok', detail, mend: '' })
export const warning = (check: string, detail: string, mend: string): Finding => ({ check, state: 'warning', detail, mend })
export const problem = (check: string, detail: string, mend: string): Finding => ({ check, state: 'problem', detail, mend })
export const unknown = (check: string, detail: string, mend: string): Finding => ({ check, state: 'unknown', detail, mend })
