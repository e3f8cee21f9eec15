import { describe, expect, it } from 'vitest'
import { compilePlan } from '../plan.ts'
import { createRedactor, scanText } from '../redactor.ts'
import { RECOGNISERS } from './registered.ts'

/** Everything is looked for at once, as `redoubt filter scan` does. */
const plan = compilePlan(Object.fromEntries(RECOGNISERS.flatMap(({ entities }) => entities.map((entity) => [entity, 'mask'] as const))))

/** What is found, the same for every cut. */
function found(text: string): readonly string[] {
  const { text: masked, findings } = scanText(text, plan)
  for (let cut = 0; cut <= text.length; cut++) {
    const redactor = createRedactor(plan)
    expect(redactor.push(text.slice(0, cut)) + redactor.push(text.slice(cut)) + redactor.flush(), `${text} at ${cut}`).toBe(masked)
  }
  return findings.map(({ entity, start, end }) => `${entity} ${text.slice(start, end)}`)
}

/** Values stand between brackets that are taken out before the search. */
function missed(entity: string, written: readonly string[]): readonly string[] {
  return written.filter((text) => {
    const value = /⟦(.*)⟧/u.exec(text)![1]!
    return !found(text.replaceAll(/[⟦⟧]/gu, '')).includes(`${entity} ${value}`)
  })
}

describe('accounts and wallets (C6, C9)', () => {
  it('finds IBANs whose account number is nearly all letters', () => {
    expect(
      missed('IBAN_CODE', [
        'pay to ⟦LV93HABAXKQPWORTHBDFG⟧ today',
        '⟦RO69 BACX ABCD EFGH IJKL MNOP⟧',
        'ro69bacx is short, ⟦ro69bacxabcdefghijklmnop⟧ is not',
      ]),
    ).toEqual([])
    expect(found('pay to LV96HABAXKQPWORTHBDFG today')).toEqual([])
  })

  it('finds wallets by their checksums, in the alphabet of their ledger, and leaves what fails them', () => {
    // The donation address in Dogecoin's own documentation, the black hole of Tron, and two special accounts of the XRP Ledger.
    const addresses = [
      'DH5yaieqoZN36fDVciNyRueRGvGLR3mr7L', 'T9yD14Nj9j7xAB4dbGeiX9h8unkKHxuWwb', 'rrrrrrrrrrrrrrrrrrrrBZbvji', 'rHb9CJAWyB4rj91VRWn96DkukG4bwdtyTh',
    ] // prettier-ignore
    for (const address of addresses) {
      expect(found(`send it to ${address}, please`)).toEqual([`CRYPTO ${address}`])
      const last = address.at(-1) === 'b' ? 'c' : 'b'
      expect(found(`send it to ${address.slice(0, -1)}${last}, please`)).toEqual([])
    }
  })
})

describe('papers and vehicles (C6, C9)', () => {
  it('finds what has no check digit directly behind its word only', () => {
    expect(missed('VIN', ['VIN: ⟦WVWZZZ1JZ3W386752⟧', 'Fahrgestellnummer ⟦ZFAZZZ3C8GM883270⟧', 'chassis ⟦1M8GDM9AXKP042788⟧'])).toEqual([])
    // Elsewhere than in North America the ninth place checks nothing; there it does.
    expect(found('the part WVWZZZ1JZ3W386752 fits')).toEqual([])
    expect(found('VIN: 1M8GDM9A1KP042788')).toEqual([])
  })

  it('finds German identity cards of letters, and Hong Kong ones in their brackets', () => {
    expect(missed('DE_ID_CARD', ['Personalausweis ⟦L01X00T471⟧', 'Ausweis-Nr. ⟦T22000129⟧', 'Personalausweisnummer: ⟦L01X00T47⟧'])).toEqual(
      [],
    )
    expect(found('Personalausweis L01X00T472')).toEqual([])
    expect(missed('HK_HKID', ['HKID ⟦A123456(3⟧)', 'hkid: ⟦AB987654(3⟧), ok'])).toEqual([])
    expect(found('HKID A123456(4)')).toEqual([])
  })

  it('finds licences and member numbers as they are printed', () => {
    expect(
      missed('US_DRIVER_LICENSE', ['driver license ⟦M 520 482 113 907⟧', "her driver's license: ⟦482 913 077⟧", 'DL: ⟦M-520-482-113-907⟧']),
    ).toEqual([])
    expect(missed('HEALTH_PLAN_ID', ['claim of member ⟦QRS900817263⟧', 'BCBS subscriber ⟦QRS900817263⟧'])).toEqual([])
    expect(found('part QRS900817263 is here')).toEqual([])
  })

  it('reads the short forms of German and Dutch words for numbers', () => {
    expect(missed('CUSTOMER_ID', ['Kundennr. ⟦5520817⟧', 'Ihre Kd-Nr. ⟦5520817⟧', 'klantnr: ⟦5520817⟧'])).toEqual([])
    expect(missed('DE_TAX_ID', ['IdNr. ⟦86095742719⟧', 'IdNr ⟦86095742719⟧'])).toEqual([])
    expect(missed('EMPLOYEE_ID', ['Personalnr. ⟦55208⟧', 'Mitarbeiternr.: ⟦55208⟧'])).toEqual([])
  })
})

describe('PHONE_NUMBER (C6, C9)', () => {
  it('reads the words for telephones of thirty languages', () => {
    expect(
      missed('PHONE_NUMBER', [
        'txt me at ⟦4155550132⟧', 'ph# ⟦4155550132⟧', 'my # is ⟦4155550132⟧', 'Natel ⟦0791234567⟧', 'Handynummer ⟦01715550132⟧', 'numero verde ⟦800 555 013⟧', 'tfno. ⟦915550132⟧', 'fono ⟦225550132⟧', 'gsm ⟦0475550132⟧', 'tlf. ⟦22 55 01 32⟧',
        'puh ⟦0405550132⟧', 'komórka ⟦601555013⟧', 'telefonszám: ⟦301555013⟧', 'telepon ⟦0215550132⟧', 'điện thoại ⟦0905550132⟧', 'тел. ⟦8 (495) 555-01-32⟧', 'Телефон: ⟦84955550132⟧', 'τηλ. ⟦210 555 0132⟧', 'טלפון ⟦0525550132⟧',
        'هاتف ⟦0505550132⟧', 'फ़ोन ⟦9805550132⟧', 'โทร ⟦0815550132⟧', '電話：⟦0355550132⟧', '电话 ⟦01055501320⟧', '手机：⟦13855501320⟧', '전화 ⟦0255550132⟧', '연락처: ⟦01055501320⟧',
      ]),
    ).toEqual([]) // prettier-ignore
    expect(found('photos.txt 4155550132 bytes')).toEqual([])
    expect(found('order 4155550132')).toEqual([])
  })
})

describe('API_KEY (C6, C9)', () => {
  it('finds what is announced with a space, or by the header that carries it', () => {
    expect(
      missed('API_KEY', [
        'the api key: ⟦3fa85f645717a562b3fc2c963f66afa6⟧',
        'access token: ⟦3fa85f645717a562b3fc2c963f66afa6⟧',
        'Secret Key = ⟦Zq81kfP0xTn52LmVb7Rc⟧',
        'Authorization: SSWS ⟦00Qw81kfP0xTn52LmVb7RcHh3⟧',
        'Authorization: Basic ⟦dXNlcjpaZWJyYTk5eA⟧==',
        "'authorization': 'ApiKey ⟦Zq81kfP0xTn52LmVb7Rc⟧'",
      ]),
    ).toEqual([])
    expect(found('Authorization: required-for-all-2024-requests')).toEqual([])
    expect(found('authorization of claim3fa85f645717a562b3fc2c')).toEqual([])
  })

  it('finds keys of letters alone, if they are as drawn letters are', () => {
    expect(missed('API_KEY', ['use ⟦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⟧ here'])).toEqual([])
    expect(found('call hf_downloadPretrainedModelConfiguration here')).toEqual([])
    expect(found('call hf_downloadpretrainedmodelconfiguration here')).toEqual([])
  })
})

describe('PASSWORD and ACCESS_CODE (C6, C9)', () => {
  it('finds passwords in elements of documents, behind the name of a user and in commands', () => {
    expect(
      missed('PASSWORD', [
        '<password>⟦kobold77Wz⟧</password>',
        '<cfg:dbPassword>⟦Kq9!mount⟧</cfg:dbPassword>',
        'curl -s -u deploy:⟦Kobold77wz⟧ https://ci.example.org',
        'curl --user "deploy:⟦Kobold77wz⟧" ftp.example.org',
        'credentials: deploy / ⟦Kobold77!wz⟧',
        'login deploy:⟦Kobold77!wz⟧',
        'Zugangsdaten: deploy / ⟦Kobold77!wz⟧',
      ]),
    ).toEqual([])
    for (const text of [
      '<password>required</password>',
      'echo password>out1.txt',
      'login: bob / Windows-11',
      'curl -u deploy:password https',
      'login ok uid: a7!Bc',
    ])
      expect(found(text).filter((value) => value.startsWith('PASSWORD'))).toEqual([])
  })

  it('finds codes of four to eight digits directly behind the word for them', () => {
    expect(
      missed('ACCESS_CODE', [
        'Your PIN is ⟦7302⟧',
        'PIN ⟦55821⟧ for the gate',
        'OTP ⟦904417⟧',
        'verification code: ⟦904417⟧',
        'Geheimzahl: ⟦7302⟧',
        'code de vérification : ⟦904417⟧',
        'door code ⟦7302⟧#',
      ]),
    ).toEqual([])
    for (const text of ['pin 13 is high', 'access code 2024', 'code 7302', 'PIN: 123456789', 'spin 7302']) expect(found(text)).toEqual([])
  })
})

describe('a label and a code of digits (C6, C9)', () => {
  it('are no number of another kind with a slip in it, where the label has letters alone', () => {
    expect(found('MRN 730218')).toEqual(['MEDICAL_RECORD_NUMBER 730218'])
    expect(found('MRN 73021')).toEqual(['MEDICAL_RECORD_NUMBER 73021'])
    expect(found('NY DL 730 218 551')).toEqual(['US_DRIVER_LICENSE 730 218 551'])
    expect(found('XYZ 730218')).toEqual([])
  })
})

describe('DATE_TIME (C6, C9)', () => {
  it('reads Russian months, hours with an h and the basic form of ISO 8601', () => {
    expect(
      missed('DATE_TIME', ['встреча ⟦9 августа 2025⟧ г.', 'rendez-vous à ⟦16h45⟧', 'at ⟦20250809T164500Z⟧ it stopped', '⟦20250809T1645⟧']),
    ).toEqual([])
    for (const text of ['model A16h45', '26h45', 'id 16h455', '20251309T164500Z'])
      expect(found(text).filter((value) => value.startsWith('DATE_TIME'))).toEqual([])
  })
})

describe('what ends where it ends (C9)', () => {
  it('leaves the sentence behind an address', () => {
    expect(found('He is at 5 Mill Lane, Oxford OX1 3QD. Call him.')).toEqual(['ADDRESS 5 Mill Lane, Oxford OX1 3QD'])
    expect(found('Ship to 18 Pine Street, Salem, OR 97301. Thanks')).toEqual(['ADDRESS 18 Pine Street, Salem, OR 97301'])
    expect(found('Gartenweg 4, 60311 Frankfurt. Klingeln')).toEqual(['ADDRESS Gartenweg 4, 60311 Frankfurt'])
    expect(found('Gartenweg 4, 60311 Frankfurt. Raum 4300 Etage')).toEqual(['ADDRESS Gartenweg 4, 60311 Frankfurt'])
    expect(found('Gartenweg 4, 9000 St. Gallen')).toEqual(['ADDRESS Gartenweg 4, 9000 St. Gallen'])
  })

  it('leaves the numbers of court cases, and packages named from the end of a domain', () => {
    expect(found('United States v. Roe, 1:24-cr-00017')).toEqual([])
    expect(found('at 1:24-ish')).toEqual(['DATE_TIME 1:24'])
    expect(found('import org.example.app here')).toEqual([])
    expect(found('see app.example.org here')).toEqual(['URL app.example.org'])
  })
})
