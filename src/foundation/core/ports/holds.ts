/** What must be kept although someone may erase it. Implemented by `#governance/erasure`. */
export interface LegalHolds {
  /**
   * Asked right before anything about a person (by pseudonym) or of a data set is destroyed.
   * @throws {RedoubtError} `ERR_LEGAL_HOLD`, with who set it and until when, and no personal data.
   */
  demandNone(about: { readonly pseudonym?: string; readonly dataset?: string }): void
  /** Pseudonyms of the people who are under a hold now: no data set that holds rows of them is removed. */
  heldSubjects(): readonly string[]
}
