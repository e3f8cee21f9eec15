/** A program that asks for tokens, in a process of its own so that what it spends is not counted as the server's. Arguments: port, account, JWK, tokens, in flight. */
import { Agent, request } from 'node:http'
import { assertion, grantForm } from '../src/trust/identity/identity.fixtures.ts'
import type { PrivateJwk } from '#trust/client'

const [port, account, jwk, tokens, inFlight] = process.argv.slice(2)
if (port === undefined || account === undefined || jwk === undefined) throw new Error('port, account and key are needed')
const key = JSON.parse(jwk) as PrivateJwk
const agent = new Agent({ keepAlive: true, maxSockets: Number(inFlight) })

const ask = (): Promise<void> =>
  new Promise((resolve, reject) => {
    const form = grantForm(account, assertion(account, key, Date.now()))
    const headers = { 'content-type': 'application/x-www-form-urlencoded', 'content-length': form.length }
    const call = request({ port: Number(port), path: '/oauth/token', method: 'POST', agent, headers }, (answer) => {
      let text = ''
      answer.setEncoding('utf8').on('data', (part: string) => (text += part))
      answer.on('end', () => {
        if (answer.statusCode === 200) resolve()
        else reject(new Error(text))
      })
    })
    call.on('error', reject).end(form)
  })

/** One round for each line on standard input, answered by how long it took in milliseconds. */
for await (const _ of process.stdin) {
  let left = Number(tokens)
  const started = performance.now()
  await Promise.all(
    Array.from({ length: Number(inFlight) }, async () => {
      while (left-- > 0) await ask()
    }),
  )
  process.stdout.write(`${performance.now() - started}\n`)
}
agent.destroy()
