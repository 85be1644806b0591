// JSON.parse of 1 MB, an iteration each.
const text = JSON.stringify(Array.from({ length: 6500 }, (_, i) => (
  { id: i, name: `thing number ${i}`, price: i / 7, tags: ['new', 'cheap', `t${i % 50}`], stock: { here: i % 9, there: null }, sold: i % 2 === 0, note: 'for "you"\n' })));
if (text.length < 1e6) throw new Error(`only ${text.length}`);
export default function () {
  if (JSON.parse(text).length !== 6500) throw new Error('wrong');
}
