/** Numbers that hold the century of a birth: those of the nineteenth are right by their check digits and belong to nobody alive. */

/** Denmark, by the digit behind the day and year (CPR-kontoret, "Personnummeret i CPR"): 5 to 8 with a year from 58 on is 1858 to 1899. */
export function isOfLivingDane(digits: string): boolean {
  return !(/[5-8]/u.test(digits[6]!) && digits.slice(4, 6) >= '58')
}

/** Estonia and Lithuania, by sex and century in one: 1 and 2 are those of the nineteenth, from 7 on those to come. */
export function isOfLivingByFirstDigit(digits: string): boolean {
  return /^[3-6]/u.test(digits)
}

/** Poland and Bulgaria add to the month: `added` is what stands for the nineteenth century. */
export function isOfLivingByMonth(digits: string, added: number): boolean {
  const month = Number(digits.slice(2, 4))
  return month <= added || month > added + 12
}
