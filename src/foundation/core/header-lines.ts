/**
 * How many lines of a request's head carry this name: Node joins some repeated headers and drops others, and two parts that read one
 * request differently are how gateways get confused. What was really sent stands in the raw list.
 * @param rawHeaders names and values in turn, as received (`IncomingMessage.rawHeaders`).
 * @param name lower case.
 */
export function countHeader(rawHeaders: readonly string[], name: string): number {
  let count = 0
  for (let i = 0; i < rawHeaders.length; i += 2) if (rawHeaders[i]!.length === name.length && rawHeaders[i]!.toLowerCase() === name) count++
  return count
}
