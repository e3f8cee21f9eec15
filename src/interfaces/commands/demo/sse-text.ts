interface Chunk {
  readonly choices?: readonly { readonly delta?: { readonly content?: string } }[]
}

/** Collects the text of a streamed chat as a plain client would. */
export function createParser(): { push(part: string): void; text(): string; chunks(): number; done(): boolean } {
  let rest = ''
  let text = ''
  let chunks = 0
  let done = false
  return {
    push(part) {
      const events = (rest + part).split('\n\n')
      rest = events.pop() ?? ''
      for (const event of events) {
        const data = event.replace(/^data: /, '')
        if (data === '[DONE]') done = true
        else {
          text += (JSON.parse(data) as Chunk).choices?.[0]?.delta?.content ?? ''
          chunks++
        }
      }
    },
    text: () => text,
    chunks: () => chunks,
    done: () => done,
  }
}
