// One unary call an iteration over a connection that stays.
import grpc from 'k6/net/grpc';
const client = new grpc.Client();
client.load([], 'echo.proto');
export default function () {
  if (__ITER === 0) client.connect(__ENV.URL, { plaintext: true });
  client.invoke('bench.Echo/Say', { text: 'hello' });
}
