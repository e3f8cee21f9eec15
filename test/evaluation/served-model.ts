import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { Agent, request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const CLI = fileURLToPath(new URL('../../src/cli.ts', import.meta.url))
/** Clients send as many rows in one call as an application may by default. */
const ROWS_PER_CALL = 1_000
const START_TIMEOUT_MS = 60_000

interface Tensor {
  readonly name: string
  readonly datatype: string
}

/** A table as text cells; an empty cell is a missing value. */
export interface Cells {
  readonly header: readonly string[]
  readonly rows: readonly (readonly string[])[]
}

/** Plain CSV without quotes: all that the public tables here use. @throws on a quote, which it would misread. */
export function readCells(text: string): Cells {
  if (text.includes('"')) throw new Error('this reader knows no quotes')
  const [header, ...rows] = text
    .trimEnd()
    .split(/\r?\n/)
    .map((line) => line.split(','))
  return { header: header!, rows }
}

export const asCsv = ({ header, rows }: Cells): string => `${[header, ...rows].map((cells) => cells.join(',')).join('\n')}\n`

/** A whole server in a process and a folder of its own, used through its command line and its TLS port as anyone would. */
export class ServedHouse {
  readonly folder = mkdtempSync(join(tmpdir(), 'redoubt-served-'))
  readonly #dataDir = join(this.folder, 'data')
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 4 })
  #server: ChildProcess | null = null
  #url = ''
  #token = ''

  async start(): Promise<void> {
    const server = spawn(process.execPath, [CLI, 'up', '--port', '0'], { env: this.#environment(), stdio: ['ignore', 'pipe', 'pipe'] })
    this.#server = server
    await new Promise<void>((resolve, reject) => {
      let output = ''
      const timer = setTimeout(() => reject(new Error(`the server is not ready:\n${output}`)), START_TIMEOUT_MS)
      for (const stream of [server.stdout, server.stderr])
        stream.setEncoding('utf8').on('data', (text: string) => {
          output += text
          const address = /serves at (\S+)\n/.exec(output)
          if (!address) return
          this.#url = address[1]!
          clearTimeout(timer)
          resolve()
        })
      server.once('exit', (code) => reject(new Error(`the server ended with ${code}:\n${output}`)))
    })
  }

  /** A command of ours with `--json`. @throws with what it printed when it does not end with 0. */
  command(...args: readonly string[]): unknown {
    const run = spawnSync(process.execPath, [CLI, ...args, '--json'], { env: this.#environment(), encoding: 'utf8', maxBuffer: 1 << 26 })
    if (run.status !== 0) throw new Error(`redoubt ${args.join(' ')} ended with ${run.status}:\n${run.stdout}${run.stderr}`)
    return JSON.parse(run.stdout)
  }

  /** Makes the account that asks; each call of `infer` uses its token. */
  actAs(name: string, purpose: string): void {
    this.command('access', 'service-accounts', 'create', name, '--role', 'application', '--purpose', purpose, '--legal-basis', 'contract')
    this.#token = (this.command('token', '--as', name) as { accessToken: string }).accessToken
  }

  /** Scores rows as they stand in a CSV file. @returns P(label = 1) of each. */
  async infer(model: string, { header, rows }: Cells): Promise<Float64Array> {
    const { inputs } = (await this.#call('GET', `/v2/models/${model}`)) as { inputs: readonly Tensor[] }
    const probabilities = new Float64Array(rows.length)
    for (let from = 0; from < rows.length; from += ROWS_PER_CALL) {
      const part = rows.slice(from, from + ROWS_PER_CALL)
      const tensors = inputs.map(({ name, datatype }) => {
        const column = header.indexOf(name)
        const data = part.map((cells) => {
          const cell = cells[column]!
          return datatype === 'BYTES' ? cell : cell.trim() === '' ? null : Number(cell)
        })
        return { name, datatype, shape: [part.length, 1], data }
      })
      const { outputs } = (await this.#call('POST', `/v2/models/${model}/infer`, { inputs: tensors })) as {
        outputs: readonly { name: string; data: readonly number[] }[]
      }
      probabilities.set(outputs.find(({ name }) => name === 'probability')!.data, from)
    }
    return probabilities
  }

  async close(): Promise<void> {
    this.#agent.destroy()
    const server = this.#server
    if (server !== null && server.exitCode === null) {
      const ended = new Promise((resolve) => server.once('exit', resolve))
      server.kill('SIGTERM')
      await ended
    }
    rmSync(this.folder, { recursive: true, force: true })
  }

  #environment(): NodeJS.ProcessEnv {
    const clean = Object.entries(process.env).filter(([name]) => !/^(REDOUBT_(?!SHARED)|OPENAI_)/.test(name))
    return { ...Object.fromEntries(clean), REDOUBT_DATA_DIR: this.#dataDir }
  }

  #call(method: string, path: string, body?: unknown): Promise<unknown> {
    const payload = body === undefined ? undefined : Buffer.from(JSON.stringify(body))
    return new Promise((resolve, reject) => {
      const call = request(
        `${this.#url}${path}`,
        {
          method,
          agent: this.#agent,
          ca: readFileSync(join(this.#dataDir, 'ca.pem')),
          minVersion: 'TLSv1.3',
          headers: {
            authorization: `Bearer ${this.#token}`,
            ...(payload ? { 'content-type': 'application/json', 'content-length': payload.byteLength } : {}),
          },
        },
        (response) => {
          const parts: Buffer[] = []
          response.on('data', (part: Buffer) => parts.push(part))
          response.on('end', () => {
            const text = Buffer.concat(parts).toString('utf8')
            if (response.statusCode === 200) resolve(JSON.parse(text))
            else reject(new Error(`${method} ${path} answered ${response.statusCode}: ${text.slice(0, 500)}`))
          })
        },
      )
      call.once('error', reject)
      call.end(payload)
    })
  }
}

/** Share of rows whose label the probabilities tell. */
export function accuracy(probabilities: Float64Array, { header, rows }: Cells, label: string): number {
  const column = header.indexOf(label)
  return rows.reduce((right, cells, i) => right + (probabilities[i]! >= 0.5 === (Number(cells[column]) === 1) ? 1 : 0), 0) / rows.length
}
