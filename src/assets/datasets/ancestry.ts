import type { Database } from '#foundation/storage'

/** One version, whether or not it is there still. */
export interface VersionName {
  readonly name: string
  readonly version: number
}

/**
 * Of which versions the rows of a version came: names and numbers. They stay when a version is removed, for what was made of it, or learned from
 * it, is bound by what is said of where its rows came from.
 */
export const ANCESTRY_MIGRATION = `
  CREATE TABLE dataset_sources (
    name TEXT NOT NULL, version INTEGER NOT NULL, source TEXT NOT NULL, source_version INTEGER NOT NULL,
    PRIMARY KEY (name, version, source, source_version)) WITHOUT ROWID;
  INSERT INTO dataset_sources
    SELECT DISTINCT d.name, d.version, json_extract(s.value, '$.name'), json_extract(s.value, '$.version')
    FROM dataset_derivations x JOIN datasets d ON d.id = x.id JOIN json_each(x.derived_from, '$.sources') s`

/** Names of all that versions came of, through all that was made in between. @param first selects versions. */
const closure = (first: string): string => `
  WITH RECURSIVE came_of (name, version) AS (
    SELECT source, source_version FROM dataset_sources s WHERE ${first}
    UNION SELECT s.source, s.source_version FROM came_of c JOIN dataset_sources s ON s.name = c.name AND s.version = c.version)
  SELECT DISTINCT name FROM came_of ORDER BY name`

export interface Ancestry {
  /** In the transaction that makes the version exist. @param after a version that it goes on from: it came of what that came of. */
  add(version: VersionName, sources: readonly VersionName[], after?: VersionName): void
  /** What a version was made of, also one that is gone. */
  sourcesOf(version: VersionName): readonly VersionName[]
  /** Names of the data sets that one version came of, also of one that is gone. */
  ofVersion(version: VersionName): readonly string[]
  /** Of those that any version there is of a name came of. */
  ofName(name: string): readonly string[]
}

export function openAncestry({ raw }: Pick<Database, 'raw'>): Ancestry {
  const insert = raw.prepare('INSERT OR IGNORE INTO dataset_sources VALUES (?, ?, ?, ?)')
  const sources = raw.prepare(
    'SELECT source AS name, source_version AS version FROM dataset_sources WHERE name = ? AND version = ? ORDER BY source, source_version',
  )
  const ofVersion = raw.prepare(closure('s.name = ? AND s.version = ?'))
  const ofName = raw.prepare(closure('s.name = ? AND EXISTS (SELECT 1 FROM datasets d WHERE d.name = s.name AND d.version = s.version)'))
  const names = (rows: unknown): string[] => (rows as { readonly name: string }[]).map(({ name }) => name)
  const sourcesOf = ({ name, version }: VersionName): readonly VersionName[] => sources.all(name, version) as unknown as VersionName[]
  return {
    add({ name, version }, of, after) {
      for (const source of [...of, ...(after ? sourcesOf(after) : [])]) insert.run(name, version, source.name, source.version)
    },
    sourcesOf,
    ofVersion: ({ name, version }) => names(ofVersion.all(name, version)),
    ofName: (name) => names(ofName.all(name)),
  }
}
