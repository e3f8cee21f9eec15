// Writes invented loan applications as CSV: `node docs/examples/make-table.mjs [rows]`. No row is a person's.
const rows = Number(process.argv[2] ?? 2000)
let state = 7
const random = () => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647

console.log('customer,age,income,employment,late_payments,defaulted')
for (let row = 1; row <= rows; row++) {
  const age = 20 + Math.floor(random() * 50)
  const income = random() < 0.05 ? '' : String(15_000 + Math.floor(random() * 70_000))
  const employment = ['permanent', 'temporary', 'none'][Math.floor(random() * 3)]
  const late = Math.floor(random() * 4)
  const score = late - Number(income || 40_000) / 25_000 + (employment === 'none' ? 1.5 : 0)
  console.log(`customer-${row},${age},${income},${employment},${late},${random() < 1 / (1 + Math.exp(-score)) ? 1 : 0}`)
}
