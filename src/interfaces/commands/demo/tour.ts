import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type JsonObject, RedoubtError } from '#foundation/core'
import type { Client } from '../client.ts'

/** What a step of the tour expects of one call, and of the record about it. */
export interface Expectation {
  readonly status: number
  /** Reason code; null where the call is to succeed. */
  readonly code: string | null
  /** Type of the entry that has to be in the log. */
  readonly event: string
}

export interface Observed {
  readonly status: number
  readonly code: string | null
  readonly requestId: string
}

interface Proof {
  readonly index: number
  readonly proof: string
  readonly entry: string
  readonly verifierKey: string
}

const VERIFY_TIMEOUT_MS = 30_000
const AWAIT_ATTEMPTS = 50
const AWAIT_PAUSE_MS = 300

/** Asserts that things are as the tour says, each against the log, with the proof checked by a process of its own. */
export class Tour {
  readonly #client: Client
  readonly #command: readonly string[]
  readonly #folder = mkdtempSync(join(tmpdir(), 'redoubt-demo-'))
  #proofs = 0

  /** @param command how to run this command line again, in a process of its own. */
  constructor(client: Client, command: readonly string[]) {
    this.#client = client
    this.#command = command
  }

  get proofs(): number {
    return this.#proofs
  }

  /** @throws {RedoubtError} `ERR_DEMO_SURPRISE` at the first difference. */
  async expect(observed: Observed, wanted: Expectation): Promise<string> {
    if (observed.status !== wanted.status || observed.code !== wanted.code)
      throw surprise(
        `expected ${wanted.status} ${wanted.code ?? 'without a code'}, got ${observed.status} ${observed.code ?? 'without a code'}`,
      )
    const found = await this.find({ requestId: observed.requestId, type: wanted.event })
    if (!found) throw surprise(`the log has no ${wanted.event} of request ${observed.requestId}`)
    if (wanted.code !== null && found.event['code'] !== wanted.code)
      throw surprise(`the log says ${JSON.stringify(found.event['code'] ?? null)} in place of ${wanted.code}`)
    await this.prove(found.index)
    return `${observed.status}${wanted.code === null ? '' : ` ${wanted.code}`}, entry ${found.index} proved`
  }

  async find(query: Readonly<Record<string, string>>): Promise<{ readonly index: number; readonly event: JsonObject } | null> {
    const { entries } = await this.#client.call<{ entries: readonly { index: number; event: JsonObject }[] }>(
      `/audit/entries?${new URLSearchParams({ limit: '5', ...query }).toString()}`,
    )
    return entries[0] ?? null
  }

  /** As `find`, for entries that are written a moment after the answer: refused tokens are recorded in groups, so that a flood cannot fill the disk. */
  async await(query: Readonly<Record<string, string>>): Promise<{ readonly index: number; readonly event: JsonObject }> {
    for (let attempt = 0; attempt < AWAIT_ATTEMPTS; attempt++) {
      const found = await this.find(query)
      if (found) return found
      await new Promise((resolve) => setTimeout(resolve, AWAIT_PAUSE_MS))
    }
    throw surprise(`the log has no entry with ${JSON.stringify(query)}`)
  }

  /** Fetches the proof and has it checked by a process that has no key and asks no server. */
  async prove(index: number): Promise<void> {
    const proof = await this.#client.call<Proof>(`/audit/entries/${index}/proof`)
    const entry = join(this.#folder, `${index}.entry`)
    const path = join(this.#folder, `${index}.tlog-proof`)
    writeFileSync(entry, proof.entry)
    writeFileSync(path, proof.proof)
    const [file, ...args] = [...this.#command, 'audit', 'verify', '--proof', path, '--entry', entry, '--key', proof.verifierKey]
    await new Promise<void>((resolve, reject) => {
      execFile(file ?? '', args, { timeout: VERIFY_TIMEOUT_MS, env: { PATH: process.env['PATH'] ?? '' } }, (error, _stdout, stderr) =>
        error ? reject(surprise(`the proof of entry ${index} does not verify: ${stderr.split('\n')[0] ?? ''}`)) : resolve(),
      )
    })
    this.#proofs++
  }

  close(): void {
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

export const surprise = (what: string): RedoubtError => new RedoubtError('ERR_DEMO_SURPRISE', what)
