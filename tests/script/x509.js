// k6/crypto/x509: what a certificate says, as the openssl command shows it; and texts that are none.
// expect-none: level=error
import x509, { getAltNames, getIssuer, getSubject, parse } from 'k6/crypto/x509';
import { is, ok, once, throws } from './lib/check.js';

const rsa = open('./data/cert_rsa.pem');
const [ec, ed, pss] = ['ec', 'ed', 'pss'].map((name) => open(`./data/cert_${name}.pem`));
const hex = (list) => list.map((b) => b.toString(16).padStart(2, '0')).join('');
const subject = {
  commonName: 'example.test', country: 'DE', postalCode: '12345', stateOrProvinceName: 'Hessen', localityName: 'Köln', streetAddress: 'Weg 1',
  organizationName: 'Example AG', organizationalUnitName: ['Tests', 'More'],
};
const plain = ({ names, ...rest }) => rest;
const issuer = { commonName: 'example.test', country: 'DE', stateOrProvinceName: 'Hessen', localityName: 'Köln', organizationName: 'Example AG' };
const others = ['example.test', '*.example.test', 'a@example.test', '10.0.0.1', 'fd00::1', 'https://example.test/x'];

export const options = once;
export default function () {
  const c = parse(rsa);
  is('all of it', Object.keys(c), ['subject', 'issuer', 'notBefore', 'notAfter', 'altNames', 'signatureAlgorithm', 'fingerPrint', 'publicKey']);
  is('subject', plain(c.subject), subject);
  is('parts of names', [c.subject.names.length, c.issuer.names[0], c.subject.names.filter((n) => n.type === '2.5.4.11').map((n) => n.value)], [9, { type: '2.5.4.6', value: 'DE' }, ['Tests', 'More']]);
  is('issuer', plain(c.issuer), issuer);
  is('dates', [c.notBefore, c.notAfter], ['2026-11-25T00:02:42Z', '2046-11-20T00:02:42Z']);
  is('names', c.altNames, others);
  is('signature', c.signatureAlgorithm, 'SHA256-RSA');
  is('fingerprint', hex(c.fingerPrint), 'df71a66d266135ee918bb48030ec66e651eb386a');
  is('key', [c.publicKey.algorithm, c.publicKey.key.e, hex(c.publicKey.key.n).slice(0, 32), c.publicKey.key.n.length], ['RSA', 65537, '93b22fd31b8860923db3973a8c76711e', 256]);
  is('parts', [plain(x509.getSubject(rsa)), plain(getIssuer(rsa)), getAltNames(rsa)], [subject, issuer, others]);

  const curve = parse(ec);
  is('a curve', [curve.signatureAlgorithm, curve.publicKey.algorithm, curve.publicKey.key.curve, hex(curve.publicKey.key.x).slice(0, 28), curve.publicKey.key.y.length],
    ['ECDSA-SHA384', 'ECDSA', 'P-384', '0aa42aa50c876f6b2453825a18e7', 48]);
  is('what is missing', [curve.altNames, getSubject(ec).country, getSubject(ec).organizationalUnitName], [[], '', []]);
  is('Ed25519', [parse(ed).signatureAlgorithm, parse(ed).publicKey.algorithm, getIssuer(ed).organizationName], ['Ed25519', 'Ed25519', 'Only an organization']);
  is('PSS', parse(pss).signatureAlgorithm, 'SHA256-RSAPSS');
  is('text around it', getSubject(`some\ntext\n${ec}\n${rsa}`).commonName, 'curve');

  for (const [name, text] of Object.entries({
    nothing: '', 'no PEM': 'certificate', undefined, 'its end is missing': rsa.slice(0, -30), 'a key': rsa.replace(/CERTIFICATE/g, 'PRIVATE KEY'),
    'with a password': rsa.replace('-----\n', '-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00112233445566778899AABBCCDDEEFF\n\n'),
    '100 KB': `-----BEGIN CERTIFICATE-----\n${'MIID'.repeat(25000)}\n-----END CERTIFICATE-----\n`,
  })) throws(name, () => parse(text), /parse\(\): this is no certificate in PEM/);
  throws('the call is named', () => getAltNames('x'), /getAltNames\(\): /);

  // Each line's first characters changed: a certificate or that error.
  let refused = 0;
  const lines = rsa.split('\n');
  for (let i = 1; i < lines.length - 2; i++) {
    for (const junk of ['////', 'AAAA', 'MIIB', '']) {
      try {
        parse([...lines.slice(0, i), junk + lines[i].slice(4), ...lines.slice(i + 1)].join('\n'));
      } catch (e) {
        if (!/no certificate/.test(e.message)) throw e;
        refused++;
      }
    }
  }
  ok(`${refused} were refused`, refused > 5);
}
