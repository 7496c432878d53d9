// More and more until it is too much: it may refuse, and may be slow; it may not be wrong.
import { order } from './orders.js';

const peak = Number(__ENV.RATE || 400);

export const options = {
  scenarios: {
    rising: {
      executor: 'ramping-arrival-rate',
      startRate: Math.ceil(peak / 20),
      timeUnit: '1s',
      preAllocatedVUs: 50,
      maxVUs: 400,
      stages: [
        { target: peak / 4, duration: '30s' },
        { target: peak / 2, duration: '30s' },
        { target: peak, duration: '60s' },
        { target: 0, duration: '30s' },
      ],
    },
  },
  thresholds: {
    orders_wrong: ['rate==0'],
    'http_req_duration{name:place}': ['p(95)<5000'],
  },
};

export default () => order({ receipt: false });
