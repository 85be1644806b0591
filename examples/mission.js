// Fifty users from wherever they are: run it here, or from several regions at once.
//   gale run -e BASE=http://127.0.0.1:8080 examples/mission.js
//   gale run -e BASE=http://shop.example --fleet http://controller:6580 \
//     --regions us-east-1=50%,eu-central-1=30%,ap-southeast-2=20% examples/mission.js
import http from 'k6/http';
import { sleep } from 'k6';

export const options = {
  stages: [
    { duration: '1m', target: 50 }, // Ramp up to 50 users over 1 minute
    { duration: '2m', target: 50 }, // Stay at 50 users for 2 minutes
    { duration: '1m', target: 0 }, // Ramp down to 0 users over 1 minute
  ],
  thresholds: {
    http_req_failed: '2%', // http errors should be less than 2%
    http_req_duration: '500ms', // response time should be less than 500ms
  },
};

export default function () {
  http.get(`${__ENV.BASE}/products`);
  sleep(1); // Wait 1 second between requests
}
