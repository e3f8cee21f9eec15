import { type Identifier, identifier, stdnum } from './identifier.ts'

const CODICE_FISCALE = /^[A-Z]{6}[\dLMNP-V]{2}[ABCDEHLMPRST][\dLMNP-V]{2}[A-Z][\dLMNP-V]{3}[A-Z]$/u

export const SOUTHERN_EUROPE: readonly Identifier[] = [
  identifier('ES_NIF', '9{8}A:.65 9{8}-A:.75 99.999.999-A:.85 99.999.999A:.8 9{7}-A:.5 9{8}_A:.6 9{7}A:.2 A9{7}A:.3', (code) => stdnum('es/dni')(code.padStart(9, '0')) || (/^[KLM]/u.test(code) && stdnum('es/nif')(code)), 'dni, nif, documento nacional de identidad, identificacion, numero de identificacion fiscal'),
  identifier('ES_NIE', 'A9{7}A:.7 A-9{7}-A:.85 A-9{8}-A:.6 A9{8}A:.5 A9{7}-A:.75', (code) => /^[XYZ]/u.test(code) && stdnum('es/nie')(code.replace(/^([XYZ])0(\d{7}[A-Z])$/u, '$1$2')), 'nie, numero de identificacion de extranjero, extranjero'),
  identifier('ES_CIF', 'A9{8}:.5 A9{7}A:.5 A-9{8}:.6', (code) => /^[A-HJNP-SUVW]/u.test(code) && stdnum('es/cif')(code), 'cif, codigo de identificacion fiscal, nif empresa'),
  identifier('ES_SOCIAL_SECURITY', '99/9{8}/99:.8 99_9{8}_99:.6 9{12}:.3 99-9{8}-99:.7', stdnum('es/nss'), 'seguridad social, nss, numero de afiliacion, nuss, naf'),
  identifier('PT_NIF', '999_999_999:.25 9{9}:.15', stdnum('pt/nif'), 'nif, contribuinte, numero de contribuinte, numero fiscal, nif portugues'),
  identifier('PT_CITIZEN_CARD', '9{8}_9_AA9:.8 9{9}AA9:.65 9{8}-9-AA9:.8', stdnum('pt/cc'), 'cartao de cidadao, cartao cidadao, cc, bilhete de identidade'),
  identifier('IT_FISCAL_CODE', 'A{6}99A99A999A:.85 A{6}_99A99_A999A:.85 A{3}_A{3}_99A99_A999A:.85', stdnum('it/codicefiscale'), 'codice fiscale, cf, c.f, fiscal code'),
  identifier('IT_FISCAL_CODE', '', stdnum('it/codicefiscale'), 'codice fiscale, cf', { least: 16, most: 16, pattern: CODICE_FISCALE, score: 0.8 }),
  identifier('IT_VAT_CODE', 'AA9{11}:.65 9{11}:.2 AA_9{11}:.65', (code) => /^(?:IT|\d)/u.test(code) && stdnum('it/iva')(code), 'partita iva, p.iva, p iva, piva, iva, vat'),
  identifier('SM_COE', '99999:.05', stdnum('sm/coe'), 'coe, codice operatore economico'),
  identifier('GR_AMKA', '9{11}:.3', stdnum('gr/amka'), 'amka, αμκα'),
  identifier('GR_AFM', 'AA9{9}:.55 9{9}:.15', (code) => /^(?:EL|\d)/u.test(code) && stdnum('gr/vat')(code), 'afm, αφμ, vat, αριθμος φορολογικου μητρωου'),
  identifier('CY_VAT', 'AA9{8}A:.6 9{8}A:.35', (code) => /^(?:CY|\d)/u.test(code) && stdnum('cy/vat')(code), 'tic, vat, φπα'),
  identifier('MT_VAT', 'AA9{8}:.55', (code) => code.startsWith('MT') && stdnum('mt/vat')(code), 'vat, vat reg no'),
  identifier('AD_NRT', 'A-999999-A:.75 A999999A:.1', stdnum('ad/nrt'), 'nrt, registre tributari'),
] // prettier-ignore
