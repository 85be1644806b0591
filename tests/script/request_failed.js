// Each failed request says so in a line of its own, with its error as a field; only a flood of them is held back, and counted.
// expect-stderr: level=warning msg="Request Failed" error="Get \"http://127.0.0.1:1/first\": dial tcp 127.0.0.1:1: connect: connection refused"
// expect-stderr: level=warning msg="Request Failed" error="Get \"http://127.0.0.1:1/second\": dial tcp 127.0.0.1:1: connect: connection refused"
// expect-stderr: error="Get \"no-scheme\": parse \"no-scheme\": missing protocol scheme"
// expect-stderr: held_back=
import http from 'k6/http';

export default function () {
  http.get('http://127.0.0.1:1/first');
  http.get('http://127.0.0.1:1/second');
  http.get('no-scheme');
  for (let i = 0; i < 100; i++) http.get(`http://127.0.0.1:1/${i}`);
}
