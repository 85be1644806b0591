// 1,000 times three checks, an iteration.
import { check } from 'k6';
const value = { status: 200, body: 'some text that is searched', list: [1, 2, 3] };
export default function () {
  for (let i = 0; i < 1000; i++) {
    check(value, {
      'status is 200': (v) => v.status === 200,
      'has text': (v) => v.body.includes('searched'),
      'has items': (v) => v.list.length === 3,
    });
  }
}
