// Prints what each module gives to a script, for tests/docs/run: one line of JSON a page, {page, names}.
import * as k6 from 'k6';
import * as http from 'k6/http';
import * as html from 'k6/html';
import * as metrics from 'k6/metrics';
import execution from 'k6/execution';
import * as data from 'k6/data';
import * as timers from 'k6/timers';
import * as encoding from 'k6/encoding';
import * as k6crypto from 'k6/crypto';
import * as x509 from 'k6/crypto/x509';
import * as ws from 'k6/ws';
import * as websockets from 'k6/websockets';
import * as grpc from 'k6/net/grpc';
import * as secrets from 'k6/secrets';
import * as csv from 'k6/experimental/csv';
import * as fs from 'k6/experimental/fs';
import * as streams from 'k6/experimental/streams';

export const options = { iterations: 1 };

// Own enumerable keys and what the classes of a value declare, Object's own aside.
function members(value) {
  const names = new Set(typeof value === 'object' ? Object.keys(value) : []);
  for (let p = typeof value === 'function' ? value.prototype : Object.getPrototypeOf(value); p && p !== Object.prototype; p = Object.getPrototypeOf(p)) {
    if (p !== Array.prototype) for (const n of Object.getOwnPropertyNames(p)) names.add(n);
  }
  if (typeof value === 'function') for (const n of Object.keys(value)) names.add(n);
  return [...names].filter((n) => n !== 'constructor' && !n.startsWith('_'));
}

// Names of a module, with the members of its classes.
function exportsOf(module) {
  const names = new Set(Object.keys(module));
  if (module.default && typeof module.default === 'object') for (const n of Object.keys(module.default)) names.add(n);
  names.delete('default');
  const all = new Set(names);
  for (const n of names) {
    const value = module[n] ?? module.default[n];
    if (typeof value === 'function' && value.prototype) members(value).forEach((m) => all.add(m));
    else if (typeof value === 'object') Object.keys(value).forEach((m) => all.add(m));
  }
  return [...all];
}

function page(name, ...lists) {
  console.log(JSON.stringify({ page: name, names: [...new Set(lists.flat())].sort() }));
}

const file = await fs.open(`${__ENV.DATA}/users.json`);
const pem = open(`${__ENV.DATA}/certificate.pem`);

function elements() {
  const wrap = { td: '<table><tr>$</tr></table>', tr: '<table>$</table>', tbody: '<table>$</table>', col: '<table><colgroup>$</colgroup></table>', caption: '<table>$</table>' };
  const tags = 'a area audio base button canvas caption col data datalist del embed fieldset form iframe img input label legend li link map meta meter object ol optgroup option output p param pre progress q script select source style table tbody td textarea time title tr track ul video'.split(' ');
  return tags.flatMap((tag) => members(html.parseHTML((wrap[tag] ?? '$').replace('$', `<${tag} id=x></${tag}>`)).find(tag).get(0) ?? {}));
}

export default async function () {
  const response = http.get(`${__ENV.BASE}/cookies/set-attrs`);
  const page_ = html.parseHTML('<p id=a>x</p>');
  let socket;
  ws.connect(`${__ENV.BASE.replace('http', 'ws')}/ws/echo`, (s) => { socket = members(s).filter((n) => n !== 'run' && n !== 'refuse'); s.close(); }); // those two are connect's own
  page('k6', exportsOf(k6));
  page('k6-http', exportsOf(http), members(response), members(response.timings), members(response.request), members(response.ocsp),
    members(response.cookies.a[0]), members(http.file('x')), members(http.cookieJar()));
  page('k6-html', exportsOf(html), members(page_), members(page_.find('p').get(0)), members(page_.find('p').get(0).getAttributeNode('id')), elements());
  page('k6-metrics', exportsOf(metrics));
  page('k6-execution', exportsOf({ default: execution }), ['tags', 'metadata']);
  page('k6-data', exportsOf(data));
  page('k6-timers', exportsOf(timers));
  page('k6-encoding', exportsOf(encoding));
  page('k6-crypto', exportsOf(k6crypto), members(k6crypto.createHash('md5')));
  page('k6-crypto-x509', exportsOf(x509), Object.keys(x509.parse(pem)), Object.keys(x509.getSubject(pem)), Object.keys(x509.getIssuer(pem)));
  page('webcrypto', Object.getOwnPropertyNames(Object.getPrototypeOf(crypto)).concat(members(crypto), members(crypto.subtle)).filter((n) => n !== 'constructor'));
  page('k6-ws', exportsOf(ws), socket);
  page('k6-websockets', exportsOf(websockets));
  page('k6-net-grpc', exportsOf(grpc));
  page('k6-secrets', exportsOf(secrets));
  page('k6-experimental-csv', exportsOf(csv));
  page('k6-experimental-fs', exportsOf(fs), members(file));
  page('k6-experimental-streams', exportsOf(streams), members(new streams.ReadableStream().getReader()), members(new streams.WritableStream().getWriter()));
  page('globals', Object.getOwnPropertyNames(globalThis), Object.keys(console));
}
