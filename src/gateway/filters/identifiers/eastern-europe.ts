import { type Identifier, identifier, stdnum } from './identifier.ts'
import { isOfLivingByMonth } from './living.ts'

const czech = stdnum('cz/rc')

export const EASTERN_EUROPE: readonly Identifier[] = [
  identifier('PL_PESEL', '9{11}:.35', (digits) => isOfLivingByMonth(digits, 80) && stdnum('pl/pesel')(digits), 'pesel, numer pesel'),
  identifier('PL_NIP', '999-999-99-99:.75 999-99-99-999:.75 AA9{10}:.6 9{10}:.2', (code) => /^(?:PL|\d)/u.test(code) && stdnum('pl/nip')(code), 'nip, numer nip, identyfikacji podatkowej'),
  identifier('PL_REGON', '9{9}:.15 9{14}:.2', stdnum('pl/regon'), 'regon, numer regon'),
  identifier('PL_ID_CARD', 'AAA999999:.35 AAA_999999:.35', plIdCard, 'dowod, dowod osobisty, dowodu osobistego, numer dowodu, seria i numer'),
  identifier('CZ_BIRTH_NUMBER', '999999/9999:.75 999999/999:.4 9{10}:.2', czech, 'rodne cislo, rc, r.c, rodneho cisla'),
  identifier('CZ_ICO', '9{8}:.15', stdnum('cz/ico'), 'ico, ic, identifikacni cislo'),
  identifier('CZ_VAT', 'AA9{8}:.55 AA9{10}:.5', (code) => code.startsWith('CZ') && stdnum('cz/dic')(code), 'dic, danove identifikacni cislo, vat'),
  identifier('SK_BIRTH_NUMBER', '999999/9999:.7 9{10}:.15', stdnum('sk/rc'), 'rodne cislo, rc, r.c'),
  identifier('SK_VAT', 'AA9{10}:.55', (code) => code.startsWith('SK') && stdnum('sk/dph')(code), 'ic dph, dic, vat'),
  identifier('HU_VAT', '9{8}-9-99:.6 AA9{8}:.55 9{8}:.1', (code) => stdnum('hu/anum')(code.replace(/^HU/u, '').slice(0, 8)), 'adoszam, vat, kozossegi adoszam'),
  identifier('HU_PERSONAL_ID', '9-999999-9999:.6', huPersonal, 'szemelyi szam, szemelyi azonosito, szemelyazonosito'),
  identifier('RO_CNP', '9{13}:.35', stdnum('ro/cnp'), 'cnp, cod numeric personal'),
  identifier('RO_CUI', 'AA9{8}:.5 AA9{7}:.5 9{8}:.1', (code) => /^(?:RO|\d)/u.test(code) && stdnum('ro/cui')(code), 'cui, cif, cod unic, cod fiscal'),
  identifier('RO_ONRC', 'A99/9999/9999:.75 A99/999/9999:.75 A99/99/9999:.6', (code) => /^[JFC]/u.test(code), 'nr. reg, registrul comertului, onrc'),
  identifier('BG_EGN', '9{10}:.2', (digits) => isOfLivingByMonth(digits, 20) && stdnum('bg/egn')(digits), 'egn, егн, единен граждански номер'),
  identifier('BG_PNF', '9{10}:.15', stdnum('bg/pnf'), 'pnf, lnch, лнч, личен номер'),
  identifier('BG_VAT', 'AA9{9}:.5 AA9{10}:.5', (code) => code.startsWith('BG') && stdnum('bg/vat')(code), 'ддс, dds, vat'),
  identifier('HR_OIB', '9{11}:.2 AA9{11}:.6', (code) => /^(?:HR|\d)/u.test(code) && stdnum('hr/oib')(code.replace(/^HR/u, '')), 'oib, osobni identifikacijski broj'),
  identifier('SI_EMSO', '9{13}:.35', stdnum('si/emso'), 'emso, enotna maticna stevilka'),
  identifier('SI_VAT', 'AA9{8}:.55 9{8}:.15', (code) => /^(?:SI|\d)/u.test(code) && stdnum('si/ddv')(code), 'ddv, davcna stevilka, id za ddv, vat'),
  identifier('RS_JMBG', '9{13}:.35', stdnum('rs/jmbg'), 'jmbg, јмбг, maticni broj, матични број'),
  identifier('RS_PIB', '9{9}:.15', stdnum('rs/pib'), 'pib, пиб, poreski identifikacioni'),
  identifier('BA_JMBG', '9{13}:.3', stdnum('ba/jmbg'), 'jmbg, maticni broj bosna'),
  identifier('ME_PIB', '9{8}:.1', stdnum('me/pib'), 'pib, poreski identifikacioni'),
  identifier('MK_EMBG', '9{13}:.3', stdnum('mk/jmbg'), 'embg, ембг'),
  identifier('MK_EDB', 'AA9{13}:.5 9{13}:.1', (code) => /^(?:MK|\d)/u.test(code) && stdnum('mk/edb')(code), 'edb, едб'),
  identifier('AL_NIPT', 'A9{8}A:.35', stdnum('al/nipt'), 'nipt, nuis'),
  identifier('RU_INN', '9{10}:.2 9{12}:.35', stdnum('ru/inn'), 'инн, inn'),
  identifier('RU_SNILS', '999-999-999_99:.85 9{11}:.2', snils, 'снилс, snils, страховой номер'),
  identifier('UA_RNTRC', '9{10}:.15', stdnum('ua/rntrc'), 'рнокпп, іпн, ипн, rnokpp, ipn'),
  identifier('UA_EDRPOU', '9{8}:.1', stdnum('ua/edrpou'), 'єдрпоу, edrpou, едрпоу'),
  identifier('BY_UNP', '9{9}:.1', stdnum('by/unp'), 'унп, unp'),
  identifier('MD_IDNO', '9{13}:.2', stdnum('md/idno'), 'idno, idnp, cod fiscal'),
] // prettier-ignore

/** Letters as 10 to 35, weights 7 3 1 9 7 3 1 7 3 over AAA999999, sum divisible by 10 with the check digit's weight 9 in fourth place. */
function plIdCard(code: string): boolean {
  const weights = [7, 3, 1, 9, 7, 3, 1, 7, 3]
  let sum = 0
  for (let i = 0; i < 9; i++) {
    const unit = code.charCodeAt(i)
    sum += weights[i]! * (unit >= 0x41 ? unit - 0x37 : unit - 0x30)
  }
  return sum % 10 === 0
}

/** Positions 1 to 10 as weights (born before 1997) or 10 to 1. */
function huPersonal(digits: string): boolean {
  let up = 0
  let down = 0
  for (let i = 0; i < 10; i++) {
    up += (i + 1) * Number(digits[i])
    down += (10 - i) * Number(digits[i])
  }
  const check = Number(digits[10])
  return up % 11 === check || down % 11 === check
}

/** Weights 9 to 1, modulo 101, where 100 counts as 0. */
function snils(digits: string): boolean {
  let sum = 0
  for (let i = 0; i < 9; i++) sum += (9 - i) * Number(digits[i])
  return (sum % 101) % 100 === Number(digits.slice(9)) && !/^(\d)\1+$/u.test(digits)
}
