// What a usual script does with a response: check it and parse it.
import http from 'k6/http';
import { check, sleep } from 'k6';
export default function () {
  const res = http.get(__ENV.URL);
  check(res, {
    'status is 200': (r) => r.status === 200,
    'has items': (r) => r.json().items.length > 0,
  });
  sleep(1);
}
