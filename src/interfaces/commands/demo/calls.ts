import { createParser } from './sse-text.ts'
import type { Client } from '../client.ts'
import type { Observed } from './tour.ts'

/** One row of the demo data as a client of the Open Inference Protocol sends it. */
export const ROW = {
  inputs: [
    { name: 'income', shape: [1, 1], datatype: 'INT64', data: [42_000] },
    { name: 'employment', shape: [1, 1], datatype: 'BYTES', data: ['permanent'] },
  ],
  parameters: { subject: 'demo-person' },
}

export interface Scored extends Observed {
  readonly probability: number | null
}

export async function score(client: Client, model: string, token: string): Promise<Scored> {
  const answer = await client.raw(`/v2/models/${model}/infer`, { method: 'POST', json: ROW, headers: { authorization: `Bearer ${token}` } })
  const body = JSON.parse(answer.body.toString('utf8')) as {
    error?: string
    outputs?: readonly { name: string; data: readonly number[] }[]
  }
  return {
    status: answer.status,
    code: answer.headers['redoubt-code']?.toString() ?? null,
    requestId: String(answer.headers['x-request-id']),
    probability: body.outputs?.find((output) => output.name === 'probability')?.data[0] ?? null,
  }
}

export interface Chatted extends Observed {
  readonly text: string
  readonly chunks: number
  readonly done: boolean
}

export async function chat(client: Client, model: string, token: string, content: string): Promise<Chatted> {
  const response = await client.open('/v1/chat/completions', {
    method: 'POST',
    json: { model, stream: true, messages: [{ role: 'user', content }] },
    headers: { authorization: `Bearer ${token}` },
  })
  const parser = createParser()
  response.setEncoding('utf8')
  for await (const part of response) parser.push(String(part))
  return {
    status: response.statusCode ?? 0,
    code: response.headers['redoubt-code']?.toString() ?? null,
    requestId: String(response.headers['x-request-id']),
    text: parser.text(),
    chunks: parser.chunks(),
    done: parser.done(),
  }
}
