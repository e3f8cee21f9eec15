/** A person's own machine: a command line without secrets of the server, and a browser in which commands are allowed. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Page } from 'playwright-core'
import { expect } from 'vitest'
import type { Visit } from '../../src/trust/identity/chromium.fixtures.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))

export interface Ran {
  readonly status: number | null
  readonly out: string
  readonly err: string
}

interface Running {
  readonly process: ChildProcess
  readonly ended: Promise<Ran>
  /** The first line that it prints. */
  line(): Promise<string>
}

export const heading = (page: Page, name: string): Promise<void> => page.getByRole('heading', { name, level: 1 }).waitFor()
export const withKey = async (page: Page): Promise<void> => page.getByRole('button', { name: 'Sign in with a passkey' }).click()

export class OwnMachine {
  readonly #home = mkdtempSync(join(tmpdir(), 'redoubt-home-'))
  readonly #url: string
  readonly #caPath: string
  /** Sent in place of the login, while there is one. */
  token: string | null = null

  constructor(url: string, caPath: string) {
    this.#url = url
    this.#caPath = caPath
  }

  start(...words: readonly string[]): Running {
    const child = spawn(process.execPath, [join(root, 'src/cli.ts'), ...words], {
      cwd: this.#home,
      env: {
        PATH: process.env['PATH'],
        HOME: this.#home,
        XDG_CONFIG_HOME: join(this.#home, 'config'),
        REDOUBT_URL: this.#url,
        REDOUBT_CA: this.#caPath,
        ...(this.token === null ? {} : { REDOUBT_TOKEN: this.token }),
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let out = ''
    let err = ''
    child.stdout.on('data', (part: Buffer) => (out += part.toString()))
    child.stderr.on('data', (part: Buffer) => (err += part.toString()))
    const ended = new Promise<Ran>((resolve) => child.once('close', (status) => resolve({ status, out, err })))
    const line = async (): Promise<string> => {
      for (let i = 0; i < 600 && !out.includes('\n') && child.exitCode === null; i++)
        await new Promise((resolve) => setTimeout(resolve, 50))
      if (!out.includes('\n')) throw new Error(`no line: ${err}`)
      return out.slice(0, out.indexOf('\n'))
    }
    return { process: child, ended, line }
  }

  run(...words: readonly string[]): Promise<Ran> {
    return this.start(...words).ended
  }

  /** `redoubt login` as a person does it: the command prints, the browser answers. */
  async login({ page }: Visit, answer: (page: Page) => Promise<void>, ...words: readonly string[]): Promise<Ran> {
    const running = this.start('login', '--json', ...words)
    const prompt = JSON.parse(await running.line()) as { userCode: string; verificationUriComplete: string }
    await page.goto(prompt.verificationUriComplete)
    await answer(page)
    await heading(page, 'Is this your code?')
    expect(await page.locator('p.code').innerText()).toBe(prompt.userCode)
    await page.getByRole('button', { name: 'Allow', exact: true }).click()
    await heading(page, 'Connected')
    return running.ended
  }

  remove(): void {
    rmSync(this.#home, { recursive: true, force: true })
  }
}
