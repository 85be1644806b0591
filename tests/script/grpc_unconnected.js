// Whoever has no connection hears of that, not of a method that only reflection would have told.
// expect-stdout: invoke: no gRPC connection, you must call connect first
// expect-stdout: stream: no gRPC connection, you must call connect first
// args: --log-output=stdout --log-format=raw
import grpc from 'k6/net/grpc';

const client = new grpc.Client();
const said = (what, fn) => {
  try {
    fn();
  } catch (e) {
    console.log(`${what}: ${e.message}`);
  }
};

export default function () {
  said('connect', () => client.connect('127.0.0.1:1', { plaintext: true, reflect: true, timeout: '5s' }));
  said('invoke', () => client.invoke('a.B/C', {}));
  said('stream', () => new grpc.Stream(client, 'a.B/C'));
}
