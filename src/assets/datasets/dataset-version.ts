import type { DataScan, LegalBasis, Sensitivity } from '#foundation/core'

export type ColumnType = 'integer' | 'real' | 'text'

export interface ColumnDescription {
  readonly name: string
  readonly type: ColumnType
  /** Some row has no value here. */
  readonly nullable: boolean
}

/** Of what a version was made by a transform: what commits to each part of it. */
export interface DerivedFrom {
  readonly transform: { readonly name: string; readonly version: number; readonly digest: string }
  /** As they were when they were read. */
  readonly sources: readonly { readonly name: string; readonly version: number; readonly digest: string }[]
  /** SHA-256, hex, over the modules that did it. */
  readonly codeDigest: string
  readonly person: { readonly type: string; readonly id: string }
}

/** One version of a data set, which nothing but an erasure changes: what may be known of it without opening it. */
export interface DatasetVersion {
  readonly id: string
  readonly name: string
  /** 1, 2, … under the same name. */
  readonly version: number
  /** SHA-256, hex, over the canonical manifest, which holds the digest of every row group and 128 random bits: it commits to the data and betrays nothing of them. */
  readonly digest: string
  readonly rows: number
  /** Of the imported file. */
  readonly bytes: number
  readonly columns: readonly ColumnDescription[]
  readonly label: string | null
  /** The column that names the person each row is about. */
  readonly subject: string | null
  readonly sensitivity: Sensitivity
  readonly purposes: readonly string[]
  readonly legalBasis: LegalBasis
  readonly createdAt: number
  readonly groups: number
  /** How often rows about a person were erased from it. The version stays what it is; rows, groups and digest are as of now. */
  readonly erasures: number
}

/** A version that was just imported, with what was found in it; nothing where nothing looks. */
export interface ImportedVersion extends DatasetVersion {
  readonly scan?: DataScan
}

export interface NumericValues {
  readonly name: string
  readonly type: 'integer' | 'real'
  /** NaN is missing. */
  readonly values: Float64Array
}

export interface TextValues {
  readonly name: string
  readonly type: 'text'
  /** null is missing. */
  readonly values: readonly (string | null)[]
}

/** Some consecutive rows, by column. */
export interface RowGroup {
  readonly rows: number
  readonly columns: readonly (NumericValues | TextValues)[]
}
