import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'

const DONE = '__block_done__'

/** The environment of a user who has just come: nothing of ours, but the way to the package registry. */
export function userEnvironment(home: string): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(
    ([name]) => !/^(REDOUBT_|OPENAI_|NODE_|VITEST|npm_|NPM_|INIT_CWD|TEST|DEV|PROD|MODE|BASE_URL|COLOR)/.test(name),
  )
  const path = (process.env['PATH'] ?? '')
    .split(':')
    .filter((part) => !part.includes('node_modules'))
    .join(':')
  return {
    ...Object.fromEntries(kept),
    HOME: home,
    PATH: path,
    npm_config_userconfig: process.env['npm_config_userconfig'] ?? join(homedir(), '.npmrc'),
    npm_config_cache: process.env['npm_config_cache'] ?? join(homedir(), '.npm'),
  }
}

/** A bash that stays: variables, background jobs and the folder go from one block to the next, as in a terminal. */
export class UserShell {
  readonly #process: ChildProcess
  readonly #scratch: string
  #output = ''

  constructor(cwd: string, environment: NodeJS.ProcessEnv, scratch: string) {
    this.#scratch = mkdtempSync(join(scratch, 'shell-'))
    this.#process = spawn('bash', ['-e', '-u', '-o', 'pipefail'], { cwd, env: environment, stdio: 'pipe', detached: true })
    for (const stream of [this.#process.stdout, this.#process.stderr]) {
      stream!.setEncoding('utf8')
      stream!.on('data', (text: string) => (this.#output += text))
    }
  }

  /** Runs a block to its end. @returns what it printed. @throws with that text when a command of it fails. */
  run(text: string, timeoutMs: number): Promise<string> {
    if (this.#process.exitCode !== null) return Promise.reject(new Error('an earlier block of this document failed'))
    this.#output = ''
    const file = join(this.#scratch, 'block.sh')
    writeFileSync(file, `${text}\n`)
    return new Promise((resolve, reject) => {
      const settle = (act: () => void): void => {
        clearInterval(poll)
        clearTimeout(timer)
        this.#process.off('exit', onExit)
        act()
      }
      const onExit = (code: number | null): void =>
        settle(() => reject(new Error(`ended with ${code}:\n${text}\n--- printed:\n${this.#output}`)))
      const timer = setTimeout(
        () => settle(() => reject(new Error(`not done after ${timeoutMs} ms:\n${text}\n--- printed:\n${this.#output}`))),
        timeoutMs,
      )
      const poll = setInterval(() => {
        if (this.#output.includes(`${DONE}\n`)) settle(() => resolve(this.#output.replace(`${DONE}\n`, '')))
      }, 20)
      this.#process.once('exit', onExit)
      this.#process.stdin!.write(`source ${file} </dev/null; echo ${DONE}\n`)
    })
  }

  /** Ends the shell and whatever it left in the background. */
  close(): void {
    try {
      process.kill(-this.#process.pid!, 'SIGKILL')
    } catch {
      // It has ended by itself.
    }
    rmSync(this.#scratch, { recursive: true, force: true })
  }
}
