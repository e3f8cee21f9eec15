import type { SpecialCategory } from '#foundation/core'
import { plainForm } from '../joining-words.ts'

const values = (text: string): ReadonlySet<string> => new Set(text.split(', ').map(plainForm))

/** Values that hardly stand in a column of anything else; those that do (`white`, `green`) are left to the name of the column. */
const VALUES: readonly (readonly [SpecialCategory, ReadonlySet<string>])[] = [
  [
    'religion',
    values(
      'christian, christianity, catholic, roman catholic, protestant, orthodox, anglican, baptist, methodist, lutheran, evangelical, muslim, islam, sunni, shia, jewish, judaism, hindu, hinduism, buddhist, buddhism, sikh, atheist, agnostic, mormon, katholisch, römisch-katholisch, evangelisch, rk, ev, muslimisch, islamisch, jüdisch, konfessionslos, catholique, protestant, musulman, juif, bouddhiste, athée, católico, católica, musulmán, judío, ateo, cattolico, musulmano, ebreo, katholiek, islamitisch, joods, katolik, prawosławny, muzułmanin, no religion',
    ),
  ],
  [
    'ethnicity',
    values(
      'caucasian, african american, african-american, black or african american, hispanic, latino, latina, latinx, hispanic or latino, not hispanic or latino, asian, asian-pac-islander, asian or pacific islander, pacific islander, native american, american indian, amer-indian-eskimo, american indian or alaska native, native hawaiian, roma, sinti, white british, black caribbean, black african, mixed race, multiracial',
    ),
  ],
  [
    'sex-life',
    values(
      'heterosexual, homosexual, bisexual, asexual, pansexual, gay, lesbian, straight, queer, heterosexuell, homosexuell, bisexuell, hétérosexuel, homosexuel, bisexuel, eterosessuale, omosessuale, bisessuale, heterosexual, homosexual, heteroseksueel, homoseksueel',
    ),
  ],
  [
    'politics',
    values(
      'democrat, republican, libertarian, labour, conservative, liberal democrat, liberal democrats, conservatives, tory, cdu, csu, spd, fdp, afd, bündnis 90/die grünen, die grünen, die linke, lfi, rassemblement national, renaissance, les républicains, parti socialiste, psoe, vox, podemos, forza italia, lega, fratelli d’italia, partito democratico, vvd, pvda, pvv, d66, cda, groenlinks',
    ),
  ],
  [
    'health',
    values(
      'a+, a-, b+, b-, ab+, ab-, o+, o-, 0+, 0-, diabetes, type 1 diabetes, type 2 diabetes, hypertension, asthma, depression, anxiety, epilepsy, cancer, stroke, copd, arthritis, migraine, obesity, hiv positive, hiv negative, pregnant, diabetic, hypertensive, typical angina, atypical angina, non-anginal pain, asymptomatic, bluthochdruck, depressionen, krebs, schlaganfall, schwanger, diabète, cancer du sein, dépression, hipertensión, asma, depresión, ipertensione, depressione',
    ),
  ],
]
/** Share of the values that must be of one list. */
const MOST = 0.5
/** One value alone, in all rows, is a word like any other. */
const FEWEST_DISTINCT = 2

/** @param counts how many rows have each value. */
export function categoriesOf(counts: ReadonlyMap<string, number>): readonly SpecialCategory[] {
  return VALUES.flatMap(([category, known]) => {
    let rows = 0
    let hits = 0
    let distinct = 0
    for (const [value, count] of counts) {
      rows += count
      if (!known.has(plainForm(value))) continue
      hits += count
      distinct++
    }
    return distinct >= FEWEST_DISTINCT && hits >= rows * MOST ? [category] : []
  })
}
