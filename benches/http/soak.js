// Hours of an ordinary load: DURATION (4h), RATE a second (10). Memory and the rest are `soak.py`'s to watch.
import { order } from './orders.js';

export const options = {
  scenarios: {
    long: {
      executor: 'constant-arrival-rate',
      rate: Number(__ENV.RATE || 10),
      timeUnit: '1s',
      duration: __ENV.DURATION || '4h',
      preAllocatedVUs: 20,
      maxVUs: 200,
    },
  },
  thresholds: {
    orders_wrong: ['rate==0'],
    orders_refused: ['rate<0.001'],
    'http_req_duration{name:place}': ['p(95)<250', 'p(99.9)<5000'],
    order_fulfilled_ms: ['p(99)<5000'],
  },
};

export default () => order();
