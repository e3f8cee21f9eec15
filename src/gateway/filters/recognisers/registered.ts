import { identifierTable } from '../identifiers/table.ts'
import type { Recogniser } from '../recogniser.ts'
import { address } from './address.ts'
import { age } from './age.ts'
import { apiKey } from './api-key.ts'
import { creditCardTrack } from './credit-card-track.ts'
import { creditCard } from './credit-card.ts'
import { crypto } from './crypto.ts'
import { dateTime } from './date-time.ts'
import { emailAddress } from './email-address.ts'
import { ibanCode } from './iban-code.ts'
import { ipAddress } from './ip-address.ts'
import { macAddress } from './mac-address.ts'
import { password } from './password.ts'
import { phoneNumber } from './phone-number.ts'
import { url } from './url.ts'
import { usSsn } from './us-ssn.ts'

/** Every recogniser: those of this folder, one a file (a test fails when one is missing here), and the tables of identifiers. */
export const RECOGNISERS: readonly Recogniser[] = [
  apiKey,
  password,
  creditCard,
  creditCardTrack,
  emailAddress,
  ibanCode,
  ipAddress,
  macAddress,
  phoneNumber,
  usSsn,
  url,
  crypto,
  dateTime,
  age,
  address,
  identifierTable,
]
