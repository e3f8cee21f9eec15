import type { Branch } from './chat-completions/texts.ts'
import { invalid, quotable } from './request-members.ts'

/**
 * The members of a request that are understood, by API. Any other is refused: what an upstream does by itself on its account would be work, memory
 * or a place for data that nothing here sees. What is understood and free (`metadata`, `documents`, templates) is looked at as a text.
 */
const words = (text: string): readonly string[] => text.split(/\s+/).filter((word) => word !== '')

const EVERYWHERE = words('model stream stream_options user safety_identifier')
/** Sampling, by OpenAI and by the servers of open models (vLLM, SGLang, llama.cpp, TGI), whose clients send them beside OpenAI's. */
const SAMPLING = words(`
  frequency_penalty logit_bias max_tokens n presence_penalty seed stop temperature top_p
  best_of length_penalty min_p min_tokens mirostat mirostat_eta mirostat_tau repetition_penalty top_a top_k typical_p ignore_eos
  include_stop_str_in_output skip_special_tokens spaces_between_special_tokens stop_token_ids truncate_prompt_tokens use_beam_search
  guided_choice guided_decoding_backend guided_grammar guided_json guided_regex guided_whitespace_pattern structured_outputs
  grammar json_schema regex ebnf priority add_special_tokens
`)
/** Asked for by name or refused by name elsewhere: tokens as numbers, and what the upstream does by itself. */
const REFUSED_ELSEWHERE = words(`
  return_token_ids prompt_logprobs prompt_embeds prompt_token_ids token_ids input_ids input_embeds
  search_parameters plugins chat_template_kwargs extra_body mcp_servers enable_search
`)

export const CHAT_MEMBERS: ReadonlySet<string> = new Set([
  ...EVERYWHERE,
  ...SAMPLING,
  ...REFUSED_ELSEWHERE,
  ...words(`
    audio function_call functions logprobs max_completion_tokens messages metadata modalities parallel_tool_calls prediction prompt_cache_key
    prompt_cache_options prompt_cache_retention reasoning_effort response_format service_tier store tool_choice tools top_logprobs verbosity
    web_search_options
    add_generation_prompt continue_final_message documents echo enable_thinking include_reasoning reasoning reasoning_format
    separate_reasoning thinking thinking_budget
  `),
])

export const COMPLETION_MEMBERS: ReadonlySet<string> = new Set([
  ...EVERYWHERE,
  ...SAMPLING,
  ...REFUSED_ELSEWHERE,
  ...words('echo logprobs prompt response_format suffix'),
])

export const EMBEDDING_MEMBERS: ReadonlySet<string> = new Set([
  ...EVERYWHERE,
  ...words('dimensions encoding_format input add_special_tokens input_type priority truncate truncate_prompt_tokens'),
])

export const RESPONSES_MEMBERS: ReadonlySet<string> = new Set([
  ...EVERYWHERE,
  ...words(`
    background include input instructions max_output_tokens max_tool_calls metadata parallel_tool_calls previous_response_id prompt_cache_key
    prompt_cache_options prompt_cache_retention reasoning service_tier store temperature text tool_choice tools top_logprobs top_p truncation
    verbosity
  `),
])

export const MESSAGES_MEMBERS: ReadonlySet<string> = new Set(
  words(`
    cache_control max_tokens messages metadata model output_config output_format service_tier stop_sequences stream system temperature thinking
    tool_choice tools top_k top_p
  `),
)

/** @throws {RedoubtError} `ERR_INPUT_INVALID` for a member that is none of them; one that is null says nothing and is let pass. */
export function refuseUnknown(document: Branch, understood: ReadonlySet<string>): void {
  for (const member of Object.keys(document))
    if (!understood.has(member) && document[member] !== null)
      throw invalid(`the member \`${quotable(member)}\` is not supported: leave it out`, 'body')
}
