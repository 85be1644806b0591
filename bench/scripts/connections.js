// Many users, each with a connection of its own, one request a second.
import http from 'k6/http';
import { sleep } from 'k6';
export default function () {
  if (__ITER === 0) sleep(Math.random()); // spread over the second
  http.get(__ENV.URL);
  sleep(1);
}
