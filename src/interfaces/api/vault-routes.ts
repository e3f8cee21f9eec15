import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { isToken, LONGEST_TOKEN } from '#gateway/filters'
import type { ControlPlane } from './control-plane.ts'
import { demand, keyOf } from './guard.ts'

export const MAX_TOKENS = 1_000

/**
 * Turning tokens back outside of a call. It is a use of the vault's key, so `useKey` on `Key::"vault"` is asked for: no role of the
 * bundled policies may do it but the bootstrap account in development, while `view` of keys goes with duties that see no data.
 */
export const vaultRoutes =
  (plane: ControlPlane): FastifyPluginAsyncZod =>
  async (app) => {
    app.post(
      '/vault/restore',
      {
        schema: {
          summary: 'Values that tokens stand for; what has expired, or whose person’s key is destroyed, is left out',
          body: z.strictObject({
            tokens: z.array(z.string().max(LONGEST_TOKEN).refine(isToken, 'is no token')).min(1).max(MAX_TOKENS),
          }),
        },
      },
      async (request) => {
        const resource = keyOf('vault')
        const principal = await demand(plane, request, 'useKey', resource)
        const tokens = [...new Set(request.body.tokens)]
        const { values, subjects } = await plane.vault.restore(tokens)
        const entities: Record<string, number> = {}
        for (const { entity } of values) entities[entity] = (entities[entity] ?? 0) + 1
        // On record before a value leaves: how many of what, by whom, about whom; never which.
        await plane.audit.record({
          type: 'vault.restore',
          actor: { type: principal.facts.type, id: principal.facts.id },
          action: 'useKey',
          resource: { type: resource.type, id: resource.id },
          outcome: 'success',
          requestId: request.redoubtRequestId,
          purpose: principal.purpose,
          legalBasis: principal.legalBasis,
          details: { tokens: tokens.length, restored: entities, ...(subjects.length > 0 ? { subjects } : {}) },
        })
        return { values, missing: tokens.length - values.length }
      },
    )
  }
