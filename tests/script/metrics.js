// expect-stderr: level=warning msg="'null' is an invalid value for metric 'things'
// expect-stderr: 'abc' is an invalid value for metric 'things'
import { Counter, Gauge, Rate, Trend } from 'k6/metrics';
import { is, ok, once, throws } from './lib/check.js';

const things = new Counter('things');
const same = new Counter('things');
const level = new Gauge('level');
const good = new Rate('good');
const took = new Trend('took', true);
class Mine extends Counter {
  twice(n) {
    this.add(2 * n);
  }
}
const mine = new Mine('mine');
const builtin = new Rate('checks');
let early;
try {
  things.add(1);
} catch (e) {
  early = e.message;
}

export const options = { ...once, thresholds: { ...once.thresholds,
  things: ['count==10'], 'things{kind:a}': ['count==2'], 'things{n:5}': ['count==1'], 'things{t:true}': ['count==1'],
  level: ['value==3'], good: ['rate==0.5'], took: ['max==12.5'], mine: ['count==8'] } };
export default function () {
  is('names', [things.name, level.name, good.name, took.name, mine.name], ['things', 'level', 'good', 'took', 'mine']);
  ok('classes', things instanceof Counter && mine instanceof Mine && mine instanceof Counter);
  is('add returns', [things.add(3), things.add(null), things.add('abc'), things.add(undefined)], [true, false, false, false]);
  things.add(true);
  things.add('2');
  same.add(0);
  things.add(2, { kind: 'a' });
  things.add(1, { n: 5 });
  things.add(1, { t: true });
  mine.twice(4);
  level.add(7);
  level.add(3);
  good.add(true);
  good.add(0);
  took.add(12.5);
  builtin.add(true);
  ok('not in init', /init context/.test(early));
  throws('made late', () => new Counter('late'), /init context/);
  throws('without new', () => Counter('x'), /TypeError/);
  throws('wrong tags', () => things.add(1, { a: {} }), /tag 'a'/);
  throws('tags are no object', () => things.add(1, 'a'), /tags must be an object/);
  throws('wrong this', () => things.add.call({}, 1), /not a metric/);
}
