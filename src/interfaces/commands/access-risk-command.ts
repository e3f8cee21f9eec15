import { Command } from 'commander'
import type { RiskExplanation } from '#trust/conditions'
import { indented } from './policy-words.ts'
import { run } from './program.ts'

/** Endpoints named in words; `--json` names more. */
const MAX_NAMED = 6

export function riskCommand(): Command {
  return new Command('risk')
    .argument('<name>', 'service account, or id of a person')
    .description('tell how unlike its habits an account acts, and why')
    .action(
      run(async ({ client, output }, _options, name = '') => {
        const explanation = await client.call<RiskExplanation>(`/access/risk/${encodeURIComponent(name)}`)
        output.result(explanation, riskWords(explanation))
      }),
    )
}

/** The explanation in words. */
export function riskWords({ principal, risk, at, learning, since, requests, reasons, usual }: RiskExplanation): string {
  const moment = (when: number): string => new Date(when).toISOString().slice(0, 16).replace('T', ' ')
  const endpoints = usual.endpoints.slice(0, MAX_NAMED).map(({ endpoint, share }) => `${endpoint} ${Math.round(share * 100)} %`)
  const hours = [...usual.hours].sort((left, right) => left - right).join(', ')
  return [
    `${principal.type} ${principal.id}: risk ${risk} of 100 at its last request, ${moment(at)} UTC`,
    ...(learning ? ['its habits are still being learnt: only refusals count'] : []),
    ...reasons.map(({ reason, points, most, means }) => indented(`${String(points).padStart(3)} of ${most}  ${reason}: ${means}`, '  ')),
    '',
    `seen since ${moment(since)} UTC, ${requests} requests`,
    indented(`hours     ${hours === '' ? '-' : hours}`, '  '),
    indented(`places    ${usual.networks} networks, ${usual.devices} devices`, '  '),
    indented(`asks for  ${endpoints.length === 0 ? '-' : endpoints.join(', ')}`, '  '),
    indented(`rate      seldom more than ${usual.requestsInFiveMinutes} requests in five minutes`, '  '),
  ].join('\n')
}
