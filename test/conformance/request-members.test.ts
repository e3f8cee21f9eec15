import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import {
  CHAT_MEMBERS,
  COMPLETION_MEMBERS,
  EMBEDDING_MEMBERS,
  MESSAGES_MEMBERS,
  RESPONSES_MEMBERS,
} from '../../src/gateway/routes/understood-members.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** The members that an interface of a client's declarations has at its top. */
function declared(client: string, file: string, name: string): readonly string[] {
  const text = readFileSync(join(root, 'node_modules', client, 'resources', file), 'utf8')
  const begin = text.indexOf(`export interface ${name} {`)
  if (begin < 0) throw new Error(`${client} declares no ${name} in ${file}: look where it is now`)
  const members: string[] = []
  let depth = 0
  for (const line of text
    .slice(begin)
    .replace(/\/\*[^]*?\*\//g, '')
    .split('\n')) {
    const member = depth === 1 ? /^\s*'?([\w.]+)'?\??:/.exec(line)?.[1] : undefined
    if (member !== undefined) members.push(member)
    depth += line.split('{').length - line.split('}').length
    if (depth === 0) return members
  }
  throw new Error(`the end of ${name} was not found`)
}

/** What the published clients can send and is refused, with the reason that was thought of, by the interface that declares it. */
const REFUSED: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  ChatCompletionCreateParamsBase: { moderation: 'a second model at the upstream would read the text' },
  CompletionCreateParamsBase: {},
  EmbeddingCreateParams: {},
  ResponseCreateParamsBase: {
    access_programs: 'rights at the upstream are not the caller’s to ask for',
    context_management: 'what the upstream drops of a conversation was not seen to be dropped',
    conversation: 'a memory at the upstream',
    image: 'only text is filtered',
    moderation: 'a second model at the upstream would read the text',
    prompt: 'a template at the upstream, whose text nobody here has read',
  },
  MessageCreateParamsBase: {
    container: 'a memory and a machine at the upstream',
    diagnostics: 'points at another request of whoever made it',
    inference_geo: 'the place is the policy’s to choose',
    speed: 'another price, and another machine',
    user_profile_id: 'a memory at the upstream',
    workspace_id: 'rights at the upstream are not the caller’s to ask for',
  },
}

describe('members of requests, by the declarations of the published clients (C6)', () => {
  it.each([
    ['openai', 'chat/completions/completions.d.ts', 'ChatCompletionCreateParamsBase', CHAT_MEMBERS, 30],
    ['openai', 'completions.d.ts', 'CompletionCreateParamsBase', COMPLETION_MEMBERS, 15],
    ['openai', 'embeddings.d.ts', 'EmbeddingCreateParams', EMBEDDING_MEMBERS, 5],
    ['openai', 'responses/responses.d.ts', 'ResponseCreateParamsBase', RESPONSES_MEMBERS, 25],
    ['@anthropic-ai/sdk', 'messages/messages.d.ts', 'MessageCreateParamsBase', MESSAGES_MEMBERS, 12],
  ] as const)('are each understood or refused on purpose: %s %s', (client, file, name, understood, atLeast) => {
    const members = declared(client, file, name)
    expect(members.length).toBeGreaterThanOrEqual(atLeast)
    expect(members.filter((member) => !understood.has(member)).sort()).toEqual(Object.keys(REFUSED[name] ?? {}).sort())
  })
})
