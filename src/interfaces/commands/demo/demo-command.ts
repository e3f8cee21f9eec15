import { randomBytes } from 'node:crypto'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { Command } from 'commander'
import { asRedoubtError } from '#foundation/core'
import { accountFilePath, type PrivateJwk, writeAccountFile } from '#trust/client'
import type { StoredAlert } from '#governance/alerts'
import type { Client } from '../client.ts'
import { EXIT, report, run, type Session } from '../program.ts'
import { chat, score } from './calls.ts'
import { surprise, Tour } from './tour.ts'

/** A well-known test number of the card industry: valid by Luhn, nobody's. */
const PLANTED_CARD = '4111 1111 1111 1111'
const ROWS = 400
const QUOTA = 2
const PURPOSE = 'credit-scoring'
/** The route to the sandbox responder, which a development server always has. */
const SANDBOX_ROUTE = 'sandbox'

interface Step {
  readonly name: string
  run(): Promise<string>
}

/** @param command how to run this command line again, in a process of its own. */
export function demoCommand(command: readonly string[]): Command {
  return new Command('demo')
    .description(
      'take a guided tour on objects of its own, each step checked; it removes them again, and takes note of the alerts that it caused',
    )
    .action(
      run(async (asked) => {
        const session = { ...asked, client: await asked.client.asBootstrap() }
        const tour = new Tour(session.client, command)
        const stage = new Stage(session, tour)
        const steps: { name: string; outcome: string; seconds: number }[] = []
        const started = performance.now()
        let failed = false
        try {
          for (const step of stage.steps()) {
            const begun = performance.now()
            const outcome = await step.run()
            const seconds = (performance.now() - begun) / 1000
            steps.push({ name: step.name, outcome, seconds })
            if (!session.output.json) session.output.line(`${step.name.padEnd(46)} ${seconds.toFixed(1).padStart(5)} s  ${outcome}`)
          }
        } catch (thrown) {
          failed = true
          report(asRedoubtError(thrown), session.output)
        } finally {
          await stage.clear()
          tour.close()
        }
        if (failed) return EXIT.refused
        const seconds = (performance.now() - started) / 1000
        session.output.result(
          { ok: true, steps, proofs: tour.proofs, seconds },
          `\nas expected in ${seconds.toFixed(0)} s; ${tour.proofs} log proofs checked by separate processes; demo objects removed, their alerts acknowledged`,
        )
        return EXIT.done
      }),
    )
}

/** The objects of one tour; names carry a suffix, so that two tours never meet. */
class Stage {
  readonly #client: Client
  readonly #session: Session
  readonly #tour: Tour
  readonly #suffix = randomBytes(3).toString('hex')
  readonly #cleanups: (() => Promise<unknown>)[] = []

  constructor(session: Session, tour: Tour) {
    this.#session = session
    this.#client = session.client
    this.#tour = tour
  }

  steps(): readonly Step[] {
    const client = this.#client
    const tour = this.#tour
    const name = (part: string): string => `demo-${part}-${this.#suffix}`
    const data = name('data')
    const model = name('model')
    const policy = name('policy')
    const scorer = name('scorer')
    const marketing = name('marketing')
    let token = ''
    return [
      {
        name: 'import rows into encrypted groups',
        run: async () => {
          this.#cleanups.push(() => client.call(`/datasets/${data}`, { method: 'DELETE' }))
          const query = new URLSearchParams({ label: 'label', sensitivity: 'restricted', purpose: PURPOSE, legalBasis: 'contract' })
          const version = await client.long<{ rows: number }>(`/datasets/${data}/versions?${query.toString()}`, {
            method: 'POST',
            stream: Readable.from(rows()),
            contentType: 'text/csv',
          })
          if (version.rows !== ROWS) throw surprise(`${version.rows} rows were imported in place of ${ROWS}`)
          return `${version.rows} rows`
        },
      },
      { name: 'train, sign and register a model', run: () => this.#train(data, model) },
      {
        name: 'deploy it: signature verified over the bytes',
        run: async () => {
          const answer = await client.raw(`/api/v1/models/${model}/deploy`, { method: 'POST', json: {} })
          return tour.expect(observedApi(answer), { status: 200, code: null, event: 'model.deploy' })
        },
      },
      {
        name: 'create an account, get a 10-minute token',
        run: async () => {
          token = await this.#account(scorer, PURPOSE)
          await this.#account(marketing, 'marketing')
          return `${scorer}, ${marketing}`
        },
      },
      {
        name: 'score a row',
        run: async () => {
          const scored = await score(client, model, token)
          if (scored.probability === null || !(scored.probability > 0 && scored.probability < 1))
            throw surprise('the model gave no probability')
          return `${await tour.expect(scored, { status: 200, code: null, event: 'inference.completion' })}, P = ${scored.probability.toFixed(3)}`
        },
      },
      {
        name: 'stream a chat: the planted card is masked',
        run: async () => {
          const chatted = await chat(client, SANDBOX_ROUTE, token, 'planted card')
          if (chatted.text.replace(/\D/g, '').includes(PLANTED_CARD.replaceAll(' ', '')))
            throw surprise('the planted card number arrived in clear')
          if (!chatted.text.includes('[CREDIT_CARD]') || !chatted.done) throw surprise('the masked card number did not arrive')
          return `${await tour.expect(chatted, { status: 200, code: null, event: 'inference.completion' })}, ${chatted.chunks} chunks`
        },
      },
      {
        name: 'wrong purpose is refused',
        run: async () =>
          tour.expect(await score(client, model, await client.tokenFor(accountFilePath(this.#session.place.secretsDir, marketing))), {
            status: 403,
            code: 'ERR_POLICY_PURPOSE',
            event: 'inference.refusal',
          }),
      },
      {
        name: 'a missing purpose is refused',
        run: async () =>
          tour.expect(await score(client, model, await this.#account(name('aimless'), '')), {
            status: 403,
            code: 'ERR_POLICY_PURPOSE',
            event: 'inference.refusal',
          }),
      },
      {
        name: 'a policy that excludes this hour refuses',
        run: async () => {
          const { localHour } = await client.call<{ localHour: number }>('/status')
          const hours = [localHour, (localHour + 1) % 24].map((hour) => `context.hour == ${hour}`).join(' || ')
          await this.#policy(
            policy,
            `@id("${policy}")\nforbid (principal, action == Action::"invoke", resource == Model::"${model}") when { ${hours} };\n`,
          )
          const outcome = await tour.expect(await score(client, model, token), {
            status: 403,
            code: 'ERR_POLICY_DENIED',
            event: 'inference.refusal',
          })
          await client.call(`/policies/${policy}`, { method: 'DELETE' })
          await tour.expect(await score(client, model, token), { status: 200, code: null, event: 'inference.completion' })
          return outcome
        },
      },
      {
        name: 'an exhausted quota refuses',
        run: async () => {
          await this.#policy(
            policy,
            `@id("${policy}")\n@limit("requests ${QUOTA}/1d")\npermit (principal in Role::"application", action == Action::"invoke", resource == Model::"${model}");\n`,
          )
          for (let i = 0; i < QUOTA; i++) {
            const scored = await score(client, model, token)
            if (scored.status === 429) break
          }
          const outcome = await tour.expect(await score(client, model, token), {
            status: 429,
            code: 'ERR_LIMIT_REQUESTS',
            event: 'inference.refusal',
          })
          await client.call(`/policies/${policy}`, { method: 'DELETE' })
          return outcome
        },
      },
      {
        name: 'a revoked token stops at once',
        run: async () => {
          const keyPath = accountFilePath(this.#session.place.secretsDir, scorer)
          const doomed = await client.tokenFor(keyPath)
          await tour.expect(await score(client, model, doomed), { status: 200, code: null, event: 'inference.completion' })
          await client.revoke(doomed, keyPath)
          const refused = await score(client, model, doomed)
          if (refused.status !== 401 || refused.code !== 'ERR_TOKEN_REVOKED')
            throw surprise(`a revoked token was answered with ${refused.status} ${String(refused.code)}`)
          const entry = await tour.await({ type: 'authentication.refused', code: 'ERR_TOKEN_REVOKED' })
          await tour.prove(entry.index)
          return `401 ERR_TOKEN_REVOKED, entry ${entry.index} proved`
        },
      },
      {
        name: 'a tampered model file is not loaded',
        run: async () => {
          const folder = join(this.#session.place.dataDir, 'objects')
          const before = new Set(files(folder))
          const tampered = name('tampered')
          await this.#train(data, tampered)
          this.#cleanups.push(() => this.#acknowledge(tampered))
          const [file] = files(folder).filter((path) => !before.has(path) && path.includes('model'))
          if (file === undefined) throw surprise('the model file was not found in the data directory')
          const bytes = readFileSync(file)
          const last = bytes.byteLength - 1
          bytes[last] = (bytes[last] ?? 0) ^ 1
          writeFileSync(file, bytes)
          const answer = observedApi(await client.raw(`/api/v1/models/${tampered}/deploy`, { method: 'POST', json: {} }))
          if (answer.code !== 'ERR_MODEL_SIGNATURE' && answer.code !== 'ERR_CRYPTO_AUTHENTICATION')
            throw surprise(`a tampered file was answered with ${answer.status} ${String(answer.code)}`)
          const entry =
            (await tour.find({ requestId: answer.requestId, outcome: 'failed' })) ??
            (await tour.find({ requestId: answer.requestId, outcome: 'refused' }))
          if (!entry) throw surprise('the log has no entry of the tampered file')
          await tour.prove(entry.index)
          if ((await this.#acknowledge(tampered)) === 0) throw surprise('no alert was raised of the tampered file')
          return `${answer.status} ${answer.code}, entry ${entry.index} proved`
        },
      },
    ]
  }

  /** Removes what was made, last first; what cannot be removed does not hide why the tour ended. */
  async clear(): Promise<void> {
    for (const cleanup of this.#cleanups.reverse()) await cleanup().catch(() => undefined)
  }

  /** Takes note of the alerts about one model of the tour: nobody is to look for what was only shown. @returns how many there were. */
  async #acknowledge(model: string): Promise<number> {
    const { alerts } = await this.#client.call<{ alerts: readonly StoredAlert[] }>('/alerts?limit=1000')
    const own = alerts.filter(({ subject }) => subject.type === 'Model' && subject.id === model)
    for (const { id } of own) await this.#client.call(`/alerts/${id}/acknowledge`, { method: 'POST' })
    return own.length
  }

  async #train(dataset: string, model: string): Promise<string> {
    this.#cleanups.push(() => this.#client.call(`/models/${model}`, { method: 'DELETE' }))
    const { model: version } = await this.#client.long<{ model: { digest: string } }>(`/models/${model}/train`, {
      method: 'POST',
      json: { dataset, algorithm: 'logistic', seed: 1 },
    })
    return `sha256 ${version.digest.slice(0, 12)}…`
  }

  async #account(name: string, purpose: string): Promise<string> {
    this.#cleanups.push(() => this.#client.call(`/service-accounts/${name}/disable`, { method: 'POST', json: {} }))
    const { privateKeyJwk } = await this.#client.call<{ privateKeyJwk: PrivateJwk }>('/service-accounts', {
      method: 'POST',
      json: { name, roles: ['application'], purpose, legalBasis: 'contract' },
    })
    const path = accountFilePath(this.#session.place.secretsDir, name)
    writeAccountFile(path, { issuer: this.#session.place.url, accountId: name, privateKeyJwk })
    return this.#client.tokenFor(path)
  }

  async #policy(name: string, text: string): Promise<void> {
    this.#cleanups.push(() => this.#client.call(`/policies/${name}`, { method: 'DELETE' }))
    await this.#client.call(`/policies/${name}`, { method: 'PUT', json: { text } })
  }
}

function observedApi(answer: { readonly status: number; readonly headers: Readonly<Record<string, unknown>>; readonly body: Buffer }): {
  readonly status: number
  readonly code: string | null
  readonly requestId: string
} {
  const body = JSON.parse(answer.body.toString('utf8')) as { code?: string }
  return { status: answer.status, code: body.code ?? null, requestId: String(answer.headers['x-request-id']) }
}

const files = (folder: string): readonly string[] =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((path) => join(folder, path))

/** Invented rows in which a low income or no employment goes with default. */
function* rows(): Generator<string> {
  yield 'income,employment,label\n'
  for (let i = 0; i < ROWS; i++) {
    const income = 15_000 + ((i * 7_919) % 60_000)
    const employed = i % 3 !== 0
    yield `${income},${employed ? 'permanent' : 'none'},${income < 30_000 || (!employed && i % 2 === 0) ? 1 : 0}\n`
  }
}
