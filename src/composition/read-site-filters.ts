import { readFileSync } from 'node:fs'
import { RedoubtError } from '#foundation/core'
import { type FiltersConfig, siteFilters, type SiteFilters } from '#gateway/filters'

/**
 * The recognisers and exempt values that the configuration names.
 * @throws {RedoubtError} `ERR_FILTER_RECOGNISER` with file, line and reason: a server that would find less than it is told to does not start.
 */
export function readSiteFilters({ recognisers, exempt }: Pick<FiltersConfig, 'recognisers' | 'exempt'>): SiteFilters {
  const files = recognisers.map((name) => {
    try {
      return { name, text: readFileSync(name, 'utf8') }
    } catch (cause) {
      throw new RedoubtError('ERR_FILTER_RECOGNISER', `\`${name}\` cannot be read`, { cause, evidence: { file: name } })
    }
  })
  return siteFilters(files, exempt)
}
