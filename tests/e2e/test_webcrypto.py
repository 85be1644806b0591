"""crypto.subtle beside other implementations: what node's WebCrypto makes gale understands, and the reverse; keys that the
openssl command writes."""
import json
import pathlib
import shutil
import subprocess

HERE = pathlib.Path(__file__).resolve().parent


def node(lab, text):
    """Runs `text` with the peer's functions in scope; what it logs is JSON. Node 18 has the global by another name."""
    path = lab.file("peer.mjs", "globalThis.crypto ??= (await import('node:crypto')).webcrypto;\n"
                    "const { make, check } = await import('./webcrypto_peer.mjs');\n" + text)
    done = subprocess.run(["node", path], capture_output=True, text=True, timeout=120, cwd=lab.dir)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_node_and_gale_understand_one_another(lab):
    shutil.copy(HERE / "webcrypto_peer.js", lab.dir / "webcrypto_peer.mjs")
    made = node(lab, "console.log(JSON.stringify(await make()));")
    lab.file("node.json", json.dumps(made))
    r = lab.script("""
        import { make, check as verify } from './webcrypto_peer.mjs';
        import { check } from 'k6';
        const theirs = JSON.parse(open('node.json'));
        export const options = { vus: 1, iterations: 1, thresholds: { checks: ['rate==1'] } };
        export async function setup() { return await make(); }
        export default async function () {
          const wrong = await verify(theirs);
          check(wrong, { [`nothing wrong: ${wrong}`]: (w) => w.length === 0 });
        }
        export function handleSummary(data) { return { 'gale.json': JSON.stringify(data.setup_data) }; }
        """, timeout=120)
    assert r.code == 0, r.text
    wrong = node(lab, "const { readFileSync } = await import('node:fs');"
                 "console.log(JSON.stringify(await check(JSON.parse(readFileSync('gale.json')))));")
    assert wrong == [], wrong


def openssl(lab, *args):
    subprocess.run(["openssl", *args], check=True, capture_output=True, cwd=lab.dir)


def test_keys_of_the_openssl_command(lab):
    pkcs8 = ("-outform", "DER", "-out")
    openssl(lab, "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", *pkcs8, "rsa.der")
    openssl(lab, "genpkey", "-algorithm", "RSA-PSS", "-pkeyopt", "rsa_keygen_bits:1024", *pkcs8, "pss.der")
    openssl(lab, "rsa", "-inform", "DER", "-in", "rsa.der", "-traditional", "-outform", "DER", "-out", "pkcs1.der")
    openssl(lab, "pkcs8", "-topk8", "-inform", "DER", "-in", "rsa.der", "-passout", "pass:x", *pkcs8, "locked.der")
    for name, option in (("named", "named_curve"), ("spelt", "explicit")):
        openssl(lab, "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384", "-pkeyopt",
                f"ec_param_enc:{option}", *pkcs8, f"{name}.der")
    openssl(lab, "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:secp256k1", *pkcs8, "k1.der")
    openssl(lab, "genpkey", "-algorithm", "ED25519", *pkcs8, "ed.der")
    for name in ("rsa", "named"):
        openssl(lab, "pkey", "-inform", "DER", "-in", f"{name}.der", "-pubout", "-outform", "DER", "-out", f"{name}.pub")
    openssl(lab, "ec", "-inform", "DER", "-in", "named.der", "-conv_form", "compressed", "-pubout", "-outform", "DER",
            "-out", "short.pub")
    lab.file("data", "some data")
    openssl(lab, "dgst", "-sha256", "-sign", "rsa.der", "-keyform", "DER", "-out", "rsa.sig", "data")
    r = lab.script("""
        import { check } from 'k6';
        const file = Object.fromEntries(['data', 'rsa.der', 'rsa.pub', 'rsa.sig', 'pss.der', 'pkcs1.der', 'locked.der', 'named.der',
          'named.pub', 'short.pub', 'spelt.der', 'k1.der', 'ed.der'].map((name) => [name, open(name, 'b')]));
        export const options = { vus: 1, iterations: 1, thresholds: { checks: ['rate==1'] } };
        const s = crypto.subtle;
        const RS = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' };
        const ES = { name: 'ECDSA', namedCurve: 'P-384', hash: 'SHA-384' };
        const is = (name, got, want) => check(null, { [got === want ? name : `${name}: ${got}`]: got === want });
        const take = (name, algorithm) => s.importKey('pkcs8', file[name], algorithm, true, ['sign']).then(() => 'a key', (e) => e.name);
        const hex = (b) => [...new Uint8Array(b)].join();
        export default async function () {
          const pub = await s.importKey('spki', file['rsa.pub'], RS, true, ['verify']);
          is('its signature', await s.verify(RS, pub, file['rsa.sig'], file.data), true);
          const key = await s.importKey('pkcs8', file['rsa.der'], RS, true, ['sign']);
          is('ours', hex(await s.sign(RS, key, file.data)), hex(file['rsa.sig']));
          is('the same file', hex(await s.exportKey('pkcs8', key)), hex(file['rsa.der']));
          is('a curve', await take('named.der', ES), 'a key');
          const point = await s.importKey('spki', file['short.pub'], ES, true, ['verify']);
          is('a compressed point comes out whole', hex(await s.exportKey('spki', point)), hex(file['named.pub']));
          is('a curve that is spelt out', await take('spelt.der', ES), 'DataError');
          is('another curve', await take('k1.der', { ...ES, namedCurve: 'P-256' }), 'DataError');
          is('another algorithm', await take('ed.der', ES), 'DataError');
          is('a key for PSS alone', await take('pss.der', { ...RS, name: 'RSA-PSS' }), 'DataError');
          is('no PKCS #8', await take('pkcs1.der', RS), 'DataError');
          is('with a password', await take('locked.der', RS), 'DataError');
        }
        """)
    assert r.code == 0, r.text
