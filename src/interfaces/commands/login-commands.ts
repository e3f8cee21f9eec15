import { Command, InvalidArgumentError } from 'commander'
import type { StepUp } from '#trust/client'
import { run } from './program.ts'

/** What `--step-up` asks for when the refusal did not say. */
const STEP_UP: Required<StepUp> = { level: 3, maxAge: 300 }

const level = (text: string): number => {
  if (!/^[123]$/.test(text)) throw new InvalidArgumentError('1 one factor, 2 two factors, 3 a key that stays in its hardware')
  return Number(text)
}
const seconds = (text: string): number => {
  if (!/^\d{1,6}$/.test(text)) throw new InvalidArgumentError('a number of seconds')
  return Number(text)
}

interface LoginCommandOptions {
  readonly stepUp?: boolean
  readonly level?: number
  readonly maxAge?: number
}

/** `login`, `logout`: a person at this command line, in place of the bootstrap account. */
export function loginCommands(): Command[] {
  const login = new Command('login')
    .description('sign in: shows an address and a code to open in any browser, and waits')
    .option(
      '--step-up',
      `show a hardware key anew; for what answered that it wants more (level ${STEP_UP.level}, ${STEP_UP.maxAge} seconds)`,
    )
    .option('--level <level>', 'least level of what is shown: 1, 2 or 3', level)
    .option('--max-age <seconds>', 'greatest age of what was shown', seconds)
    .action(
      run<LoginCommandOptions>(async ({ client, output }, options) => {
        const wanted = options.stepUp === true ? { ...STEP_UP, ...options } : options
        const stepUp = {
          ...(wanted.level === undefined ? {} : { level: wanted.level }),
          ...(wanted.maxAge === undefined ? {} : { maxAge: wanted.maxAge }),
        }
        if (client.login.isOutdated())
          output.note('the login kept here is of an older version and opens nothing any more; this one replaces it')
        await client.login.begin(stepUp, (prompt) => {
          if (output.json) output.line(JSON.stringify(prompt))
          const until = new Date(prompt.expiresAt).toISOString().slice(11, 16)
          output.note(
            `open   ${prompt.verificationUri}\ncode   ${prompt.userCode}\nor     ${prompt.verificationUriComplete}\nwaits until ${until} UTC`,
          )
        })
        const me = await client.call<Record<string, unknown>>('/whoami')
        output.result(me, `logged in as ${String(me['id'])}, level ${String(me['mfaLevel'])}\nnext         redoubt whoami`)
      }),
    )

  const logout = new Command('logout').description('end the session of this command line and forget its tokens').action(
    run(async ({ client, output }) => {
      const told = await client.login.end()
      const words =
        told === null
          ? 'nobody was logged in here'
          : told
            ? 'logged out; the session has ended'
            : 'logged out here; the server could not be told, so end the session in a browser'
      output.result({ loggedOut: told !== null, sessionEnded: told === true }, words)
    }),
  )
  return [login, logout]
}
