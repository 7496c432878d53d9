// What every script does: place an order, sometimes twice, look at it, take its receipt. URL says where the service is.
import http from 'k6/http';
import { check, sleep } from 'k6';
import { Counter, Rate, Trend } from 'k6/metrics';

const BASE = __ENV.URL || 'http://127.0.0.1:8000';
const RUN = __ENV.RUN || `${Date.now()}`;

export const placed = new Counter('orders_placed');
export const refused = new Rate('orders_refused'); // 429 and 503: told to come back
export const wrong = new Rate('orders_wrong'); // anything that should not be
export const fulfilled = new Trend('order_fulfilled_ms', true); // from the first request to the receipt

export function order(options = {}) {
  const number = `${RUN}-${__VU}-${__ITER}`;
  const body = JSON.stringify({ number, card: `visa-${__VU}`, amount: '100.00' });
  const headers = { headers: { 'content-type': 'application/json' }, tags: { name: 'place' } };
  const began = Date.now();
  const answer = http.post(`${BASE}/orders`, body, headers);
  refused.add(answer.status === 429 || answer.status === 503);
  if (answer.status === 429 || answer.status === 503) {
    wrong.add(false);
    sleep(1);
    return;
  }
  let good = check(answer, { 'is accepted': (r) => r.status === 202 && r.json('id') });
  if (good) {
    placed.add(1);
    const id = answer.json('id');
    if (__ITER % 10 === 0) {
      const again = http.post(`${BASE}/orders`, body, headers);
      good = check(again, { 'placed again is the same': (r) => r.status === 202 && r.json('id') === id }) && good;
    }
    if (options.receipt !== false) {
      const url = `${BASE}/orders/${id}/receipt?wait=10`;
      const receipt = http.get(url, { tags: { name: 'receipt' }, timeout: '20s' });
      good = check(receipt, { 'is paid': (r) => r.status === 200 && r.json('paid') === '119.00' }) && good;
      fulfilled.add(Date.now() - began);
    } else {
      const look = http.get(`${BASE}/orders/${id}`, { tags: { name: 'look' } });
      good = check(look, { 'is known': (r) => r.status === 200 }) && good;
    }
  }
  wrong.add(!good);
  if (options.pause) sleep(options.pause);
}
