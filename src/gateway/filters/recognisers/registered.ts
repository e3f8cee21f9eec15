import type { Recogniser } from '../recogniser.ts'
import { apiKey } from './api-key.ts'
import { creditCard } from './credit-card.ts'
import { emailAddress } from './email-address.ts'
import { ibanCode } from './iban-code.ts'
import { ipAddress } from './ip-address.ts'
import { phoneNumber } from './phone-number.ts'
import { usSsn } from './us-ssn.ts'

/** Every recogniser of this folder, one a file; a test fails when one is missing here. */
export const RECOGNISERS: readonly Recogniser[] = [apiKey, creditCard, emailAddress, ibanCode, ipAddress, phoneNumber, usSsn]
