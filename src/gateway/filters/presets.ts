import { type PresetName, RedoubtError } from '#foundation/core'
import { NAME_ENTITIES } from './names/tags.ts'
import { RECOGNISERS } from './recognisers/registered.ts'

/** Every entity that some recogniser or the tagger of names finds. */
export const ENTITIES: ReadonlySet<string> = new Set([...RECOGNISERS.flatMap(({ entities }) => entities), ...NAME_ENTITIES])

/** What is masked where it is named, not by `default`: what points at a person only together with other things, and names, which no form tells. */
const NOT_BY_DEFAULT: ReadonlySet<string> = new Set(['DATE_TIME', 'AGE', 'URL', ...NAME_ENTITIES])

/** What the action `default` of a policy is about. */
export const DEFAULT_ENTITIES: ReadonlySet<string> = new Set([...ENTITIES].filter((entity) => !NOT_BY_DEFAULT.has(entity)))

const isSecret = (entity: string): boolean => entity === 'API_KEY' || entity === 'PASSWORD' || entity === 'ACCESS_CODE'

/** Names and numbers of companies, and securities, which are nobody's personal data. */
const ORGANISATIONS =
  /_(?:VAT|VAT_ID|VAT_CODE|SIREN|SIRET|CNPJ|UEN|ABN|ACN|BRN|CIF|CVR|ORGNR|ORGANISATIONSNUMMER|USCC|COE|ICE|REGON|ICO|EDRPOU|UBN|BUSINESS_ID|BUSINESS_NUMBER|CORPORATE_NUMBER|COMPANY_NUMBER|REGISTRY_CODE|CEDULA_JURIDICA|HANDELSREGISTER|GSTIN|BN)$|^(?:ORGANISATION|ISIN|CUSIP|SEDOL|LEI|SWIFT_CODE|ABA_ROUTING_NUMBER|ICD10_CODE|NDC_CODE|IN_IFSC|AU_BSB)$/u

/** PCI DSS 4.0.1 §3.3 and §3.5: the account number, and what may not be kept after authorisation. */
const PCI: readonly string[] = ['CREDIT_CARD', 'CREDIT_CARD_CVV', 'CREDIT_CARD_EXPIRY', 'CREDIT_CARD_TRACK']

/**
 * 45 CFR 164.514(b)(2)(i): (A) names, (B) places, (C) dates and ages, (D, E) telephone and fax, (F) e-mail, (G) social security, (H) medical record, (I) health plan,
 * (J) account, (K) certificate and licence, (L) vehicle, (M) device, (N) URL, (O) IP address, (R) any other unique number. Biometric data (P)
 * and photographs (Q) have no pattern.
 */
const isHipaa = (entity: string): boolean =>
  !ORGANISATIONS.test(entity) && !isSecret(entity) && !/^(?:CRYPTO|CREDIT_CARD_(?:CVV|EXPIRY))$/u.test(entity)

const select = (wanted: (entity: string) => boolean): ReadonlySet<string> => new Set([...ENTITIES].filter(wanted))

/** Entities by the rule they serve. */
export const PRESETS = {
  all: ENTITIES,
  default: DEFAULT_ENTITIES,
  gdpr: select((entity) => !ORGANISATIONS.test(entity) && !isSecret(entity)),
  hipaa: select(isHipaa),
  pci: new Set(PCI),
  secrets: select(isSecret),
} as const satisfies Readonly<Record<PresetName, ReadonlySet<string>>>

/** @throws {RedoubtError} `ERR_FILTER_ENTITY` for a name that is none, with those there are. */
export function presetEntities(name: string): ReadonlySet<string> {
  if (!Object.hasOwn(PRESETS, name))
    throw new RedoubtError('ERR_FILTER_ENTITY', `there is no preset \`${name}\`; there are ${Object.keys(PRESETS).join(', ')}`, {
      evidence: { entity: name },
    })
  return PRESETS[name as PresetName]
}
