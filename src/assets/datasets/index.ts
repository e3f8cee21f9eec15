export type { ColumnDescription, ColumnType, DatasetVersion, RowGroup } from './dataset-version.ts'
