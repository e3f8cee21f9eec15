/** One `.cedar` file: its name, as errors and `why` cite it, and its text. */
export interface PolicyFile {
  readonly name: string
  readonly text: string
}
