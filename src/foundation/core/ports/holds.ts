/** What must be kept although someone may erase it. Implemented by `#governance/erasure`. */
export interface LegalHolds {
  /**
   * Asked right before anything about a person (by pseudonym), of a data set, or made of rows of others (`madeOf`, by name) is destroyed.
   * @throws {RedoubtError} `ERR_LEGAL_HOLD`, with who set it and until when, for what is made of others also of which, and no personal data.
   */
  demandNone(about: { readonly pseudonym?: string; readonly dataset?: string; readonly madeOf?: readonly string[] }): void
  /** Pseudonyms of the people who are under a hold now: no data set that holds rows of them is removed. */
  heldSubjects(): readonly string[]
}
