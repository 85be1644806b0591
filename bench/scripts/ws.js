// A socket a user, some messages on their way at any time: each that comes back is sent again.
import { WebSocket } from 'k6/websockets';
const text = 'x'.repeat(64);
export default function () {
  const ws = new WebSocket(__ENV.URL);
  ws.onopen = () => {
    for (let i = 0; i < 8; i++) ws.send(text);
    setTimeout(() => ws.close(), Number(__ENV.SECONDS) * 1000);
  };
  ws.onmessage = (e) => ws.send(e.data);
}
