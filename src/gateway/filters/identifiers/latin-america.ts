import { type Identifier, identifier, stdnum } from './identifier.ts'

const cuit = stdnum('ar/cuit')
const isRepeated = (digits: string): boolean => /^(\d)\1+$/u.test(digits)

/** Ministry of labour, PIS/PASEP/NIT: weights 3 2 9 8 7 6 5 4 3 2, modulus 11. */
function pis(digits: string): boolean {
  const weights = [3, 2, 9, 8, 7, 6, 5, 4, 3, 2]
  const sum = weights.reduce((total, weight, i) => total + weight * Number(digits[i]), 0)
  const check = 11 - (sum % 11)
  return (check > 9 ? 0 : check) === Number(digits[10]) && !isRepeated(digits)
}

/** Registraduría: those of ten digits have been given out in order from 1,000,000,000 on, and are not at 1,300,000,000 yet; none begins with 0. */
function colombian(digits: string): boolean {
  return digits.length < 10 ? digits[0] !== '0' : digits >= '1000000000' && digits < '1300000000'
}

export const LATIN_AMERICA: readonly Identifier[] = [
  identifier('BR_CPF', '999.999.999-99:.9 9{11}:.35 999999999-99:.7 999_999_999_99:.6', (digits) => !isRepeated(digits) && stdnum('br/cpf')(digits), 'cpf, cadastro de pessoas fisicas, cadastro de pessoa fisica'),
  identifier('BR_CNPJ', '99.999.999/9999-99:.95 9{14}:.4 9{8}/9999-99:.85', stdnum('br/cnpj'), 'cnpj, cadastro nacional da pessoa juridica'),
  identifier('BR_RG', '99.999.999-9:.45 99.999.999-A:.5 9{9}:.05', () => true, 'rg, registro geral, carteira de identidade, identidade'),
  identifier('BR_PIS', '999.99999.99-9:.85 9{11}:.25', pis, 'pis, pasep, nis, nit'),
  identifier('AR_CUIL', '99-9{8}-9:.8 9{11}:.3', cuit, 'cuil, cuit, clave unica'),
  identifier('AR_DNI', '99.999.999:.2 9{8}:.1', stdnum('ar/dni'), 'dni, documento nacional de identidad, documento'),
  identifier('AR_CBU', '9{22}:.6', stdnum('ar/cbu'), 'cbu, clave bancaria uniforme'),
  identifier('CL_RUT', '99.999.999-9:.75 99.999.999-A:.8 9.999.999-9:.7 9.999.999-A:.75 9{8}-9:.55 9{8}-A:.6 9{7}-9:.4 9{7}-A:.5 9{9}:.1', stdnum('cl/rut'), 'rut, run, rol unico tributario, rol unico nacional'),
  identifier('CO_NIT', '999.999.999-9:.65 9{9}-9:.55 9{10}:.1', stdnum('co/nit'), 'nit, numero de identificacion tributaria'),
  identifier('CO_CEDULA', '9.999.999.999:.4 99.999.999:.15 9{10}:.1 9{8}:.05', colombian, 'cedula, cc, cedula de ciudadania, c.c'),
  identifier('PE_DNI', '9{8}-9:.3 9{8}:.1', (digits) => digits.length === 8 || stdnum('pe/cui')(digits), 'dni, documento nacional de identidad'),
  identifier('PE_RUC', '9{11}:.3', stdnum('pe/ruc'), 'ruc, registro unico de contribuyentes'),
  identifier('PE_CE', '9{9}:.05', stdnum('pe/ce'), 'carne de extranjeria, ce'),
  identifier('EC_CEDULA', '9{10}:.2 9{9}-9:.5', stdnum('ec/ci'), 'cedula, ci, cedula de identidad'),
  identifier('EC_RUC', '9{13}:.3', stdnum('ec/ruc'), 'ruc, registro unico de contribuyentes'),
  identifier('UY_CEDULA', '9.999.999-9:.65 9{7}-9:.5 9{8}:.15', stdnum('uy/cedula'), 'cedula, ci, cedula de identidad'),
  identifier('UY_RUT', '9{12}:.2', stdnum('uy/rut'), 'rut, registro unico tributario'),
  identifier('PY_RUC', '9{8}-9:.4 9{7}-9:.4', stdnum('py/ruc'), 'ruc'),
  identifier('BO_CI', '9{7}_AA:.3 9{7}-AA:.4 9{7}AA:.2 9{8}AA:.2', stdnum('bo/ci'), 'ci, cedula de identidad, carnet de identidad'),
  identifier('VE_RIF', 'A-9{8}-9:.75 A9{9}:.35', stdnum('ve/rif'), 'rif, registro de informacion fiscal'),
  identifier('CR_CEDULA', '9-9999-9999:.45 9{9}:.05', stdnum('cr/cpf'), 'cedula, cedula fisica, identificacion'),
  identifier('CR_CEDULA_JURIDICA', '9-999-999999:.5 9{10}:.1', stdnum('cr/cpj'), 'cedula juridica'),
  identifier('DO_CEDULA', '999-9{7}-9:.75 9{11}:.2', stdnum('do/cedula'), 'cedula, cedula de identidad'),
  identifier('DO_RNC', '9-99-99999-9:.65 9{9}:.15', stdnum('do/rnc'), 'rnc, registro nacional del contribuyente'),
  identifier('GT_CUI', '9999_99999_9999:.6 9{13}:.25', stdnum('gt/cui'), 'cui, dpi, codigo unico de identificacion'),
  identifier('GT_NIT', '9{7}-9:.4 9{8}:.1', stdnum('gt/nit'), 'nit'),
  identifier('SV_NIT', '9999-999999-999-9:.8 9{14}:.2', stdnum('sv/nit'), 'nit, numero de identificacion tributaria'),
  identifier('CU_NI', '9{11}:.2', stdnum('cu/ni'), 'carne de identidad, numero de identidad, ni'),
  identifier('BZ_TIN', '9{6}:.05', stdnum('bz/tin'), 'belize tin, tin'),
] // prettier-ignore
