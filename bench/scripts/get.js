// One request an iteration, nothing else: what a request costs.
import http from 'k6/http';
export default function () {
  http.get(__ENV.URL);
}
