// What 24 and 25 leave open: who closes, headers and cookies, compression, timers, Blobs, wrong use.
import ws from 'k6/ws';
import { WebSocket, Blob } from 'k6/websockets';
import http from 'k6/http';
import { WS_BASE, BASE, once, is, ok } from './lib.js';

export const options = Object.assign({}, once, {
  thresholds: { checks: ['rate==1'], ws_sessions: ['count==7'], 'ws_ping': ['max<5000'] },
});

const thrown = (fn) => { try { fn(); return 'nothing'; } catch (e) { return e.name; } };

function callbacks() {
  const got = [];
  let code = 0;
  ws.connect(`${WS_BASE}/ws/push`, (s) => {
    s.on('message', (m) => { got.push(m); if (got.length === 3) s.close(1000); });
    s.on('close', (c) => { code = c; });
  });
  is('pushed', got, ['push-0', 'push-1', 'push-2']);
  is('own close code', code, 1000);

  ws.connect(`${WS_BASE}/ws/close`, (s) => { s.on('close', (c) => { code = c; }); });
  is('server closes', code, 1001);

  http.cookieJar().set(BASE, 'flavour', 'oat');
  let headers = {};
  const r = ws.connect(`${WS_BASE}/ws/headers`, { headers: { 'X-One': '1' } }, (s) => {
    s.on('message', (m) => { headers = JSON.parse(m); s.close(); });
  });
  is('header sent', headers['x-one'], '1');
  is('cookie sent', headers.cookie, 'flavour=oat');
  is('status', r.status, 101);
  is('upgrade header', r.headers.Upgrade.toLowerCase(), 'websocket');

  let error = '';
  const refused = ws.connect(`${WS_BASE}/ws/refuse`, (s) => { s.on('error', (e) => { error = e.error(); }); });
  is('refused', refused.status, 403);
  ok('error told', error.includes('bad handshake') && refused.error === error);

  is('no function', thrown(() => ws.connect(`${WS_BASE}/ws/echo`, {})), 'TypeError');
  is('no WebSocket URL', thrown(() => ws.connect('http://127.0.0.1/', () => {})), 'SyntaxError');
  let thrownInside = '';
  try {
    ws.connect(`${WS_BASE}/ws/echo`, (s) => { s.on('open', () => { throw new Error('inside'); }); });
  } catch (e) { thrownInside = e.message; }
  is('a handler throws', thrownInside, 'inside');
}

function objects() {
  const order = [];
  const a = new WebSocket(`${WS_BASE}/ws/echo`);
  is('state of a new one', [a.readyState, a.binaryType, a.bufferedAmount, WebSocket.CLOSED], [0, 'blob', 0, 3]);
  is('too early', thrown(() => a.send('x')), 'InvalidStateError');
  is('bad code', thrown(() => a.close(1005)), 'InvalidAccessError');
  is('long reason', thrown(() => a.close(1000, 'x'.repeat(124))), 'SyntaxError');
  is('bad binaryType', thrown(() => { a.binaryType = 'x'; }), 'TypeError');
  is('bad event', thrown(() => a.addEventListener('nothing', () => {})), 'TypeError');
  a.onopen = () => { a.ping(); a.send(new Blob(['a', new Uint8Array([66])])); };
  a.onpong = () => order.push('pong');
  a.onmessage = async (e) => {
    ok('a Blob came', e.data instanceof Blob && e.data.size === 2);
    order.push(await e.data.text());
    a.close(3001, 'done');
    is('closing', a.readyState, 2);
    a.send('dropped');
  };
  a.onclose = (e) => {
    is('order', order, ['pong', 'aB']);
    is('code echoed', [e.type, e.code], ['close', 3001]);
  };

  const packed = new WebSocket(`${WS_BASE}/ws/echo`, null, { compression: 'deflate' });
  packed.onopen = () => packed.send('y'.repeat(70000));
  packed.onmessage = (e) => { is('with compression offered', e.data.length, 70000); packed.close(); };

  const early = new WebSocket(`${WS_BASE}/ws/echo`);
  early.onopen = () => ok('an aborted one does not open', false);
  early.onclose = () => is('aborted', early.readyState, 3);
  early.close();

  const many = new WebSocket(`${WS_BASE}/ws/push`);
  const got = [];
  const first = (e) => got.push(`1:${e.data}`);
  many.addEventListener('message', first);
  many.addEventListener('message', (e) => {
    got.push(`2:${e.data}`);
    many.removeEventListener('message', first);
    if (got.length === 4) { many.close(); is('listeners', got, ['1:push-0', '2:push-0', '2:push-1', '2:push-2']); }
  });
  is('bad compression', thrown(() => new WebSocket(`${WS_BASE}/ws/echo`, null, { compression: 'x' })), 'Error');
}

export default function () {
  callbacks();
  objects();
}
