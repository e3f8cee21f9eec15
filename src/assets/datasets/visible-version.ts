import { type DataScan, SENSITIVITIES } from '#foundation/core'
import { maskOf } from './admitted-rows.ts'
import type { ColumnDescription, DatasetVersion } from './dataset-version.ts'
import type { RowAccess } from './row-access.ts'

/** A version as far as it may be known: what tells of hidden columns or rows is not in it. */
export interface VisibleVersion extends Omit<DatasetVersion, 'rows' | 'bytes' | 'groups'> {
  /** Null for whom policies let use some rows only. */
  readonly rows: number | null
  readonly bytes: number | null
  readonly groups: number | null
}

/** @param accesses all that one caller may have; at least one. */
export function visibleVersion(version: DatasetVersion, accesses: readonly Pick<RowAccess, 'rows' | 'masks'>[]): VisibleVersion {
  const shows = (name: string): boolean => accesses.some((access) => maskOf(version, access, name) !== 'hide')
  const named = (name: string | null): string | null => (name !== null && shows(name) ? name : null)
  const whole = accesses.some(({ rows }) => rows === null)
  // Whether a value is missing somewhere may be known of hidden rows alone.
  const described = (column: ColumnDescription): ColumnDescription => (whole ? column : { ...column, nullable: true })
  const { rows, bytes, groups } = version
  return {
    ...version,
    ...(whole ? { rows, bytes, groups } : { rows: null, bytes: null, groups: null }),
    columns: version.columns.filter(({ name }) => shows(name)).map(described),
    label: named(version.label),
    subject: named(version.subject),
  }
}

/**
 * What was found in the columns that one of the accesses shows unmasked, in every row; null for whom no access shows every row, since counts over
 * all of them would tell of those that may not be known.
 */
export function visibleScan(
  scan: DataScan | null,
  version: DatasetVersion,
  accesses: readonly Pick<RowAccess, 'rows' | 'masks'>[],
): DataScan | null {
  const whole = accesses.filter(({ rows }) => rows === null)
  if (scan === null || whole.length === 0) return null
  const columns = scan.columns.filter(({ name }) => whole.some((access) => maskOf(version, access, name) === 'keep'))
  const sensitivity = SENSITIVITIES[Math.max(0, ...columns.map((column) => SENSITIVITIES.indexOf(column.sensitivity)))]!
  return {
    ...scan,
    columns,
    sensitivity,
    categories: [...new Set(columns.flatMap(({ categories }) => categories))],
    subject: columns.some(({ name }) => name === scan.subject) ? scan.subject : null,
  }
}
