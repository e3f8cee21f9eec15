import { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import type { Identity } from './identity.ts'

/** One form, handed to the room as the listener would, from whatever address: for thousands of them. @returns the status. */
export function postFrom(sourceAddress: string, { handler }: Pick<Identity, 'handler'>, path: string, form: string): Promise<number> {
  const request = new IncomingMessage(new Socket())
  Object.assign(request, { method: 'POST', url: path, complete: true, redoubtSource: sourceAddress })
  request.headers = { 'content-type': 'application/x-www-form-urlencoded', 'content-length': String(form.length) }
  request.push(form)
  request.push(null)
  const response = new ServerResponse(request)
  return new Promise((resolve) => {
    response.end = () => {
      resolve(response.statusCode)
      return response
    }
    handler(request, response)
  })
}
