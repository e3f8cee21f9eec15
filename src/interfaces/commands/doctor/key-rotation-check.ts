import { type Finding, ok, problem, warning } from './finding.ts'

/** The last round of rotation, and a move of the keys from one provider to another. */
export interface KeyRotationHealth {
  /** Why the last round stopped; null when it came to its end. */
  readonly error: string | null
  readonly move: { readonly from: string; readonly to: string; readonly proved: boolean } | null
}

/** Whether old key versions are moved from, and whether both providers of a move can be reached for it. */
export function keyRotationCheck({ error, move }: KeyRotationHealth): Finding {
  const moving = move === null ? '' : `; keys ${move.proved ? 'moved' : 'move'} from ${move.from} to ${move.to}`
  if (error !== null)
    return problem(
      'key rotation',
      `the last round stopped with ${error}${moving}`,
      'see `redoubt keys providers` for which one does not answer; the next round, a minute later, goes on by itself',
    )
  if (move === null) return ok('key rotation', 'the last round came to its end')
  if (!move.proved)
    return warning(
      'key rotation',
      `keys move from ${move.from} to ${move.to}, which are both needed`,
      'see `redoubt keys rotation` for when the former one is needed no more',
    )
  return ok('key rotation', `keys moved from ${move.from} to ${move.to}: \`keys.moveFrom\` may be taken away`)
}
