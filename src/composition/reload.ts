import { asRedoubtError } from '#foundation/core'
import { errorText } from '#interfaces/commands'
import type { Server } from './compose.ts'
import type { Configuration } from './configuration.ts'

export interface Reloading {
  readonly server: Pick<Server, 'reloadFilters' | 'reloadPolicies'>
  /** The configuration as it is now. */
  readonly read: () => Pick<Configuration, 'filters'>
  readonly tell: (line: string) => void
}

/**
 * Filters and policies, read again. What is not in order changes nothing: what was at work stays at work.
 * Policies may name what only the new filters find, so those come first; or have let go of what only the old ones did, and then the filters
 * are tried once more behind them. A file of recognisers that is refused stays refused: it is tried, and on record, once.
 */
export async function reload(reloading: Reloading): Promise<void> {
  const filters = await reloadFilters(reloading)
  const policies = await reloadPolicies(reloading)
  if (filters === 'refused by policies' && policies) await reloadFilters(reloading)
}

async function reloadFilters({ server, read, tell }: Reloading): Promise<'done' | 'refused' | 'refused by policies'> {
  try {
    const { before, after, recognisers, exempt } = await server.reloadFilters(read().filters)
    const what = before === after ? 'the filters are as they were' : `the filters ${after} are in force`
    tell(`redoubt: reloaded; ${what} (${recognisers} recognisers, ${exempt} exempt values)`)
    return 'done'
  } catch (thrown) {
    const error = asRedoubtError(thrown)
    tell(errorText(error))
    return error.code === 'ERR_POLICY_INVALID' ? 'refused by policies' : 'refused'
  }
}

async function reloadPolicies({ server, tell }: Reloading): Promise<boolean> {
  try {
    const { before, after, cases } = await server.reloadPolicies()
    const what = before === after ? 'the policies are as they were' : `policy set ${after} is in force`
    tell(`redoubt: reloaded; ${what} (${cases} rows of truth tables hold)`)
    return true
  } catch (thrown) {
    tell(errorText(asRedoubtError(thrown)))
    return false
  }
}
