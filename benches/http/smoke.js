// Does it work at all: two customers, ten seconds.
import { order } from './orders.js';

export const options = {
  vus: 2,
  duration: '10s',
  thresholds: {
    orders_wrong: ['rate==0'],
    orders_refused: ['rate==0'],
    'http_req_duration{name:place}': ['p(99)<1000'],
    order_fulfilled_ms: ['p(95)<2000'],
  },
};

export default () => order({ pause: 0.1 });
