import type { Database } from '#foundation/storage'

/** One version, whether or not it is there still. */
export interface VersionName {
  readonly name: string
  readonly version: number
}

/**
 * Of which data sets the rows of a version came, through all that was made in between: names and numbers. They stay when a version is removed, for
 * what was made of it, or learned from it, is bound by a legal hold on where its rows came from.
 */
export const ANCESTRY_MIGRATION = `
  CREATE TABLE dataset_ancestors (
    name TEXT NOT NULL, version INTEGER NOT NULL, ancestor TEXT NOT NULL, PRIMARY KEY (name, version, ancestor)) WITHOUT ROWID;
  WITH RECURSIVE
    made (name, version, source, source_version) AS (
      SELECT d.name, d.version, json_extract(s.value, '$.name'), json_extract(s.value, '$.version')
      FROM dataset_derivations x JOIN datasets d ON d.id = x.id JOIN json_each(x.derived_from, '$.sources') s),
    of_all (name, version, source, source_version) AS (
      SELECT * FROM made
      UNION SELECT o.name, o.version, m.source, m.source_version FROM of_all o JOIN made m ON m.name = o.source AND m.version = o.source_version)
  INSERT INTO dataset_ancestors SELECT DISTINCT name, version, source FROM of_all`

export interface Ancestry {
  /** In the transaction that makes the version exist. @param sources each counts, and so does all that it came of. */
  add(version: VersionName, sources: readonly VersionName[]): void
  /** Names of the data sets that one version came of, also of one that is gone. */
  ofVersion(version: VersionName): readonly string[]
  /** Of those that any version there is of a name came of. */
  ofName(name: string): readonly string[]
}

export function openAncestry({ raw }: Pick<Database, 'raw'>): Ancestry {
  const insert = raw.prepare('INSERT OR IGNORE INTO dataset_ancestors VALUES (?, ?, ?)')
  const ofVersion = raw.prepare('SELECT ancestor FROM dataset_ancestors WHERE name = ? AND version = ? ORDER BY ancestor')
  const ofName = raw.prepare(
    'SELECT DISTINCT ancestor FROM dataset_ancestors JOIN datasets USING (name, version) WHERE name = ? ORDER BY ancestor',
  )
  const names = (rows: unknown): string[] => (rows as { readonly ancestor: string }[]).map(({ ancestor }) => ancestor)
  const ancestry: Ancestry = {
    add({ name, version }, sources) {
      for (const source of sources) for (const ancestor of [source.name, ...ancestry.ofVersion(source)]) insert.run(name, version, ancestor)
    },
    ofVersion: ({ name, version }) => names(ofVersion.all(name, version)),
    ofName: (name) => names(ofName.all(name)),
  }
  return ancestry
}
