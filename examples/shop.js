// A visit to the shop: sign up, browse, fill a basket, pay. Run it against the bundled target:
//   build/gale-shop --port 8080 & build/gale run -e BASE=http://127.0.0.1:8080 examples/shop.js
import http from 'k6/http';
import { check, group, sleep } from 'k6';
import { Counter, Trend } from 'k6/metrics';

const BASE = __ENV.BASE || 'http://127.0.0.1:8080';
const orders = new Counter('orders');
const paid = new Trend('order_total');

export const options = {
  scenarios: {
    // Visitors who look around and leave.
    browse: {
      executor: 'ramping-vus',
      startVUs: 0,
      stages: [
        { duration: '3s', target: 30 },
        { duration: '5s', target: 30 },
        { duration: '2s', target: 0 },
      ],
      gracefulRampDown: '1s',
      exec: 'browse',
    },
    // Buyers arrive at a steady rate, however long the shop takes.
    buy: { executor: 'constant-arrival-rate', rate: 20, timeUnit: '1s', duration: '10s', preAllocatedVUs: 20, maxVUs: 60, exec: 'buy' },
  },
  thresholds: {
    checks: ['rate>0.99'],
    http_req_failed: ['rate<0.01'],
    http_req_duration: ['p(95)<250'],
    'http_req_duration{scenario:buy}': ['p(99)<400'],
    orders: ['count>150'],
  },
};

const json = { headers: { 'Content-Type': 'application/json' } };

export function setup() {
  const res = http.get(`${BASE}/products`);
  return { products: res.json('items.#.id') };
}

export function browse(data) {
  group('catalogue', () => {
    const page = http.get(`${BASE}/products?page=${1 + (__ITER % 3)}`, { tags: { name: 'catalogue' } });
    check(page, { 'catalogue has items': (r) => r.status === 200 && r.json('items.#') > 0 });
  });
  const id = data.products[__ITER % data.products.length];
  const item = http.get(http.url`${BASE}/products/${id}`);
  check(item, { 'product has a price': (r) => r.json('price') > 0 });
  sleep(0.5);
}

export function buy(data) {
  let auth;
  group('sign up', () => {
    const res = http.post(`${BASE}/signup`, JSON.stringify({ name: `visitor ${__VU}-${__ITER}` }), json);
    check(res, { 'signed up': (r) => r.status === 201 });
    auth = { headers: { ...json.headers, Authorization: `Bearer ${res.json('token')}` } };
  });
  group('basket', () => {
    for (const product of data.products.slice(0, 2)) {
      const res = http.post(`${BASE}/basket`, JSON.stringify({ product, quantity: 1 }), auth);
      check(res, { 'in the basket': (r) => r.status === 201 });
    }
  });
  group('checkout', () => {
    const res = http.post(`${BASE}/checkout`, null, auth);
    if (check(res, { 'order placed': (r) => r.status === 201 })) {
      orders.add(1);
      paid.add(res.json('total'));
    }
  });
}
