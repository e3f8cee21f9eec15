/** Why something is erased: GDPR art. 17(1)(a) to (f), and the end of its retention. A closed list: free text could name the person. */
export const GROUNDS = {
  'no-longer-necessary': 'GDPR art. 17(1)(a)',
  'consent-withdrawn': 'GDPR art. 17(1)(b)',
  objection: 'GDPR art. 17(1)(c)',
  unlawful: 'GDPR art. 17(1)(d)',
  'legal-obligation': 'GDPR art. 17(1)(e)',
  'information-society-child': 'GDPR art. 17(1)(f)',
  'retention-ended': 'GDPR art. 5(1)(e)',
} as const
export type Ground = keyof typeof GROUNDS
