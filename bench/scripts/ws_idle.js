// Users with SOCKETS open sockets each, which say nothing after their first message.
import { WebSocket } from 'k6/websockets';
export default function () {
  for (let i = 0; i < Number(__ENV.SOCKETS); i++) {
    const ws = new WebSocket(__ENV.URL);
    ws.onopen = () => ws.send('hello');
    setTimeout(() => ws.close(), 6000);
  }
}
