import { type DataScan, isMoreSensitive, type JsonObject, RedoubtError, type Sensitivity } from '#foundation/core'

/** What the log may hold of a scan: counts by entity, and no name of a column, which in a file without a header is a value. */
export function scanForAudit(scan: DataScan, given: Sensitivity): JsonObject {
  const entities = new Map<string, number>()
  for (const column of scan.columns) for (const { entity } of column.entities) entities.set(entity, (entities.get(entity) ?? 0) + 1)
  return {
    rows: scan.rows,
    isSample: scan.isSample,
    sensitivity: scan.sensitivity,
    isStricter: isMoreSensitive(scan.sensitivity, given),
    categories: [...scan.categories],
    columnsByEntity: Object.fromEntries(entities),
    hasSubject: scan.subject !== null,
  }
}

/** @throws {RedoubtError} `ERR_DATA_SENSITIVITY` when more is called for than was given. */
export function demandSensitivity(scan: DataScan, given: Sensitivity): void {
  if (!isMoreSensitive(scan.sensitivity, given)) return
  const columns = scan.columns.filter(({ sensitivity }) => isMoreSensitive(sensitivity, given)).length
  throw new RedoubtError(
    'ERR_DATA_SENSITIVITY',
    `what was found in ${columns === 1 ? 'one column' : `${columns} columns`} calls for the sensitivity \`${scan.sensitivity}\`, and \`${given}\` was given`,
    { evidence: { given, found: scan.sensitivity, columns, categories: scan.categories.join(' ') } },
  )
}
