export { type Datasets, type DatasetsOptions, openDatasets } from './datasets.ts'
export type { ColumnDescription, ColumnType, DatasetVersion, RowGroup } from './dataset-version.ts'
export type { ColumnProfile } from './manifest.ts'
export type { ImportOptions } from './options.ts'
