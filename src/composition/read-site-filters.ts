import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { canonicalJson, RedoubtError } from '#foundation/core'
import { type FiltersConfig, siteFilters, type SiteFilters } from '#gateway/filters'

/** What a site adds and takes away, and a digest of it, SHA-256, hex. */
export interface ReadFilters {
  readonly site: SiteFilters
  readonly digest: string
}

/**
 * The recognisers and exempt values that the configuration names.
 * @throws {RedoubtError} `ERR_FILTER_RECOGNISER` with file, line and reason: a server that would find less than it is told to does not start.
 */
export function readSiteFilters({ recognisers, exempt }: Pick<FiltersConfig, 'recognisers' | 'exempt'>): ReadFilters {
  const files = recognisers.map((name) => {
    try {
      return { name, text: readFileSync(name, 'utf8') }
    } catch (cause) {
      throw new RedoubtError('ERR_FILTER_RECOGNISER', `\`${name}\` cannot be read`, { cause, evidence: { file: name } })
    }
  })
  const digest = createHash('sha256')
    .update(canonicalJson({ files: files.map(({ text }) => text), exempt }))
    .digest('hex')
  return { site: siteFilters(files, exempt), digest }
}
