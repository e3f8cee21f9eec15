import { type DurableFolder, replaceFile } from '#foundation/storage'
import { type PolicyFile, TABLE_SUFFIX } from '#trust/policy'
import type { PolicyLayer } from './policy-layers.ts'

/** A change on its way: a policy file and its table are two files, and a crash between them must not leave one without the other. */
const PENDING = 'change.pending'

/** What is to be in place of one policy file and its table; null is nothing. */
export interface PolicyChange {
  readonly name: string
  readonly text: string | null
  readonly tests: string | null
}

/** What was put through the control plane, as it lies in the folder. */
export function storedLayer(folder: DurableFolder): PolicyLayer {
  const ending = (suffix: string): readonly PolicyFile[] =>
    folder
      .list('')
      .filter((name) => name.endsWith(suffix))
      .map((name) => ({ name, text: new TextDecoder().decode(folder.read(name) ?? new Uint8Array()) }))
  return { policies: ending('.cedar'), tables: ending(TABLE_SUFFIX), invariants: [] }
}

/** The layer as it will be; nothing is written. */
export function changed({ policies, tables, invariants }: PolicyLayer, { name, text, tests }: PolicyChange): PolicyLayer {
  const replaced = (files: readonly PolicyFile[], file: string, by: string | null): readonly PolicyFile[] => [
    ...files.filter((other) => other.name !== file),
    ...(by === null ? [] : [{ name: file, text: by }]),
  ]
  return { policies: replaced(policies, `${name}.cedar`, text), tables: replaced(tables, `${name}${TABLE_SUFFIX}`, tests), invariants }
}

/** Writes the change, whole or, after a crash, at the next `settleChange`. @throws {RedoubtError} `ERR_STORAGE_IO`, `ERR_STORAGE_FULL`. */
export function storeChange(folder: DurableFolder, change: PolicyChange): void {
  replaceFile(folder, PENDING, Buffer.from(JSON.stringify(change)))
  settleChange(folder)
}

/** Carries out the change that is on its way, if there is one; doing so twice is doing so once. @throws as `storeChange`. */
export function settleChange(folder: DurableFolder): void {
  const bytes = folder.read(PENDING)
  if (bytes === null) return
  const { name, text, tests } = JSON.parse(new TextDecoder().decode(bytes)) as PolicyChange
  for (const [file, content] of [
    [`${name}.cedar`, text],
    [`${name}${TABLE_SUFFIX}`, tests],
  ] as const) {
    if (content !== null) replaceFile(folder, file, Buffer.from(content))
    else if (folder.exists(file)) folder.remove(file)
  }
  folder.syncFolder('')
  folder.remove(PENDING)
  folder.syncFolder('')
}
