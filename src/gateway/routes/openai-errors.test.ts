import { ERROR_TABLE, type ErrorCode, RedoubtError } from '#foundation/core'
import { describe, expect, it } from 'vitest'
import { renderOpenAiError, streamErrorEvent } from './openai-errors.ts'
import { renderModel, renderModelList } from './openai-models.ts'

describe('renderOpenAiError', () => {
  it('gives every code of the table a body that OpenAI clients can read', () => {
    for (const code of Object.keys(ERROR_TABLE) as ErrorCode[]) {
      const { status, headers, body } = renderOpenAiError(new RedoubtError(code), 'req_1', 12.6)
      expect(status).toBe(ERROR_TABLE[code].status)
      expect(headers).toMatchObject({
        'x-request-id': 'req_1',
        'redoubt-code': code,
        'openai-processing-ms': '13',
        'openai-version': '2020-10-01',
      })
      const { error } = JSON.parse(body) as { error: Record<string, unknown> }
      expect(Object.keys(error).sort()).toEqual(['code', 'message', 'param', 'type'])
      expect(error['type']).toMatch(/^[a-z_]+$/)
      expect(error['code']).toMatch(/^[a-z0-9_]+$/)
    }
  })

  it.each([
    ['ERR_POLICY_PURPOSE', 403, 'permission_error', 'err_policy_purpose', true],
    ['ERR_LIMIT_TOKENS', 429, 'rate_limit_error', 'err_limit_tokens', true],
    ['ERR_FILTER_BLOCKED_INPUT', 400, 'invalid_request_error', 'content_filter', true],
    ['ERR_FILTER_BLOCKED_OUTPUT', 400, 'invalid_request_error', 'content_filter', true],
    ['ERR_FILTER_CANARY', 400, 'invalid_request_error', 'content_filter', true],
    ['ERR_TOKEN_EXPIRED', 401, 'authentication_error', 'err_token_expired', false],
    ['ERR_MODEL_UNKNOWN', 404, 'invalid_request_error', 'model_not_found', false],
    ['ERR_UPSTREAM_RESET', 502, 'api_error', 'err_upstream_reset', false],
    ['ERR_UPSTREAM_LIMIT', 429, 'rate_limit_error', 'err_upstream_limit', false],
  ] as const)('renders %s as %i %s, and stops retries where they cannot help (C4)', (code, status, type, shown, final) => {
    const response = renderOpenAiError(new RedoubtError(code), 'req_1')
    expect(response.status).toBe(status)
    expect(JSON.parse(response.body)).toMatchObject({ error: { type, code: shown } })
    expect(response.headers['x-should-retry']).toBe(final ? 'false' : undefined)
    expect(response.headers['www-authenticate']).toBe(
      status === 401 ? `Bearer error="invalid_token", error_description="${code}"` : undefined,
    )
  })

  it('carries the place, the time to wait and what the upstream called it', () => {
    const evidence = { param: 'tools[0]', retryAfterMs: 1500.2, upstreamCode: 'invalid_value' }
    const response = renderOpenAiError(new RedoubtError('ERR_UPSTREAM_REJECTED', undefined, { evidence }), 'req_1')
    expect(JSON.parse(response.body)).toMatchObject({ error: { param: 'tools[0]', code: 'invalid_value' } })
    expect(response.headers).toMatchObject({ 'retry-after-ms': '1501', 'retry-after': '2' })
    expect(renderOpenAiError(new RedoubtError('ERR_TOKEN_MISSING'), 'r').headers['www-authenticate']).toBe('Bearer')
  })

  it('is one event inside a stream', () => {
    expect(streamErrorEvent(new RedoubtError('ERR_DRAINING'), 'req_1')).toMatch(/^data: \{"error":\{.*\},"request_id":"req_1"\}\n\n$/)
  })
})

describe('renderModelList', () => {
  it('lists models as OpenAI does', () => {
    const model = { id: 'assistant', created: 5, ownedBy: 'openai' }
    const shown = { id: 'assistant', object: 'model', created: 5, owned_by: 'openai' }
    expect(JSON.parse(renderModelList([model]))).toEqual({ object: 'list', data: [shown] })
    expect(JSON.parse(renderModel(model))).toEqual(shown)
  })
})
