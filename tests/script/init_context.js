// What belongs to VUs throws in the init context, and what belongs to the init context throws later.
// expect-none: level=error
// expect-stderr: k6/experimental/websockets is deprecated
import exec from 'k6/execution';
import { SharedArray } from 'k6/data';
import http from 'k6/http';
import { check, group, sleep } from 'k6';
import { Counter } from 'k6/metrics';
import grpc from 'k6/net/grpc';
import { WebSocket } from 'k6/websockets';
import { WebSocket as OldWebSocket } from 'k6/experimental/websockets';
import ws from 'k6/ws';
import { is, ok, once, throws } from './lib/check.js';

const count = new Counter('count');
const client = new grpc.Client();
const early = {};
for (const [name, call] of Object.entries({
  'http.get': () => http.get('http://127.0.0.1:1/'), 'http.batch': () => http.batch(['http://127.0.0.1:1/']),
  'http.asyncRequest': () => http.asyncRequest('GET', 'http://127.0.0.1:1/'), 'http.cookieJar': () => http.cookieJar(),
  'ws.connect': () => ws.connect('ws://127.0.0.1:1/', () => {}), WebSocket: () => new WebSocket('ws://127.0.0.1:1/'),
  'grpc connect': () => client.connect('127.0.0.1:1'), check: () => check(1, { a: true }), group: () => group('g', () => 1), add: () => count.add(1),
})) {
  try { call(); early[name] = 'nothing thrown'; } catch (e) { early[name] = e.message; }
}
sleep(0.001);
http.setResponseCallback(http.expectedStatuses(200));

export const options = once;
export default function () {
  for (const [name, message] of Object.entries(early)) ok(`${name} in init: ${message}`, message.includes("can't be used in the init context"));
  for (const [name, call] of Object.entries({ metric: () => new Counter('late'), array: () => new SharedArray('late', () => []), open: () => open('x'),
    require: () => require('k6'), load: () => client.load([], 'x.proto') })) throws(`${name} later`, call, /init context/);
  is('the old name', [OldWebSocket.name, OldWebSocket.OPEN], ['WebSocket', 1]);
  is('keys', [Object.keys(exec.scenario), Object.keys(exec.vu), Object.keys(exec.instance).length, JSON.parse(JSON.stringify(exec.scenario)).name],
    [['name', 'executor', 'startTime', 'progress', 'iterationInInstance', 'iterationInTest'],
      ['idInInstance', 'idInTest', 'iterationInInstance', 'iterationInScenario', 'tags', 'metrics'], 5, 'default']);
}
