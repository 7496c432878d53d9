// A newsletter: ten times the ordinary load for twenty seconds, then the ordinary one, which must be quick again.
import { order } from './orders.js';

const calm = Number(__ENV.RATE || 10);

function stage(rate, start, duration, name) {
  return {
    executor: 'constant-arrival-rate',
    rate,
    timeUnit: '1s',
    startTime: `${start}s`,
    duration: `${duration}s`,
    preAllocatedVUs: 20,
    maxVUs: 400,
    tags: { part: name },
  };
}

export const options = {
  scenarios: {
    before: stage(calm, 0, 20, 'before'),
    spike: stage(10 * calm, 20, 20, 'spike'),
    after: stage(calm, 55, 30, 'after'),
  },
  thresholds: {
    orders_wrong: ['rate==0'],
    'http_req_duration{name:place,part:before}': ['p(95)<250'],
    'http_req_duration{name:place,part:after}': ['p(95)<250'],
  },
};

export default () => order({ receipt: false });
