// An ordinary day: RATE orders a second (20) for DURATION (60s), each with its receipt.
import { order } from './orders.js';

export const options = {
  scenarios: {
    day: {
      executor: 'constant-arrival-rate',
      rate: Number(__ENV.RATE || 20),
      timeUnit: '1s',
      duration: __ENV.DURATION || '60s',
      preAllocatedVUs: 20,
      maxVUs: 200,
    },
  },
  thresholds: {
    orders_wrong: ['rate==0'],
    orders_refused: ['rate==0'],
    dropped_iterations: ['count==0'],
    'http_req_duration{name:place}': ['p(95)<250', 'p(99)<1000'],
    order_fulfilled_ms: ['p(95)<1000', 'p(99)<5000'],
  },
};

export default () => order();
