// A constant arrival rate: RATE iterations a second, one request each.
import http from 'k6/http';
export const options = {
  discardResponseBodies: true,
  scenarios: {
    rate: {
      executor: 'constant-arrival-rate',
      rate: Number(__ENV.RATE),
      timeUnit: '1s',
      duration: __ENV.DURATION,
      preAllocatedVUs: Number(__ENV.VUS),
    },
  },
};
export default function () {
  http.get(__ENV.URL);
}
