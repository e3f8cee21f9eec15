import type { Recorded } from './states.ts'

/** The last step: what was recorded leaves. */
export function answer(state: Recorded): void {
  const { received, rendered, completion, served } = state
  if (rendered === null) {
    if (served.kind === 'stream') received.reply.end(served.closing)
    return
  }
  received.reply.send(rendered.status, { ...rendered.headers, 'redoubt-log-index': String(completion.index) }, rendered.body)
}
