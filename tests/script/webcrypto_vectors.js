// crypto.subtle against published vectors: ECDSA (RFC 6979 A.2.5 to A.2.7), ECDH (RFC 5903 8.1 to 8.3), AES key wrap
// (RFC 3394 4), HKDF (RFC 5869 A), PBKDF2 (RFC 6070, RFC 7914 11), HMAC (RFC 4231), AES-GCM (NIST GCM, test case 4).
// expect-none: level=error
import { is, ok, once } from './lib/check.js';

const s = crypto.subtle;
const hex = (data) => [...new Uint8Array(data)].map((b) => b.toString(16).padStart(2, '0')).join('');
const bytes = (text) => Uint8Array.from(text.match(/../g) ?? [], (x) => parseInt(x, 16));
const utf8 = (text) => new TextEncoder().encode(text);
const base64url = (text) => btoa(String.fromCharCode(...bytes(text))).replace(/\+/g, '-').replace(/\//g, '_').replace(/=/g, '');

async function ecdsa() {
  const cases = [
    ['P-256', 'SHA-256', '60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6', '7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299',
      'efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8'],
    ['P-256', 'SHA-512', '60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6', '7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299',
      '8496a60b5e9b47c825488827e0495b0e3fa109ec4568fd3f8d1097678eb97f002362ab1adbe2b8adf9cb9edab740ea6049c028114f2460f96554f61fae3302fe'],
    ['P-384', 'SHA-384', 'ec3a4e415b4e19a4568618029f427fa5da9a8bc4ae92e02e06aae5286b300c64def8f0ea9055866064a254515480bc13', '8015d9b72d7d57244ea8ef9ac0c621896708a59367f9dfb9f54ca84b3f1c9db1288b231c3ae0d4fe7344fd2533264720',
      '94edbb92a5ecb8aad4736e56c691916b3f88140666ce9fa73d64c4ea95ad133c81a648152e44acf96e36dd1e80fabe4699ef4aeb15f178cea1fe40db2603138f130e740a19624526203b6351d0a3a94fa329c145786e679e7b82c71a38628ac8'],
    ['P-521', 'SHA-512', '01894550d0785932e00eaa23b694f213f8c3121f86dc97a04e5a7167db4e5bcd371123d46e45db6b5d5370a7f20fb633155d38ffa16d2bd761dcac474b9a2f5023a4', '00493101c962cd4d2fddf782285e64584139c2f91b47f87ff82354d6630f746a28a0db25741b5b34a828008b22acc23f924faafbd4d33f81ea66956dfeaa2bfdfcf5',
      '00c328fafcbd79dd77850370c46325d987cb525569fb63c5d3bc53950e6d4c5f174e25a1ee9017b5d450606add152b534931d7d4e8455cc91f9b15bf05ec36e377fa00617cce7cf5064806c467f678d3b4080d6f1cc50af26ca209417308281b68af282623eaa63e5b5c0723d8b8c37ff0777b1a20f8ccb1dccc43997f1ee0e44da4a67a'],
  ];
  for (const [namedCurve, hash, x, y, signature] of cases) {
    const key = await s.importKey('raw', bytes('04' + x + y), { name: 'ECDSA', namedCurve }, true, ['verify']);
    ok(`ECDSA ${namedCurve} ${hash}`, await s.verify({ name: 'ECDSA', hash }, key, bytes(signature), utf8('sample')));
    ok('and no other message', !(await s.verify({ name: 'ECDSA', hash }, key, bytes(signature), utf8('samplE'))));
  }
}

async function ecdh() {
  const cases = [
    ['P-256', 'c88f01f510d9ac3f70a292daa2316de544e9aab8afe84049c62a9c57862d1433', 'dad0b65394221cf9b051e1feca5787d098dfe637fc90b9ef945d0c3772581180', '5271a0461cdb8252d61f1c456fa3e59ab1f45b33accf5f58389e0577b8990bb3',
      'd12dfb5289c8d4f81208b70270398c342296970a0bccb74c736fc7554494bf63', '56fbf3ca366cc23e8157854c13c58d6aac23f046ada30f8353e74f33039872ab', 'd6840f6b42f6edafd13116e0e12565202fef8e9ece7dce03812464d04b9442de'],
    ['P-384', '099f3c7034d4a2c699884d73a375a67f7624ef7c6b3c0f160647b67414dce655e35b538041e649ee3faef896783ab194', null, null,
      'e558dbef53eecde3d3fccfc1aea08a89a987475d12fd950d83cfa41732bc509d0d1ac43a0336def96fda41d0774a3571', 'dcfbec7aacf3196472169e838430367f66eebe3c6e70c416dd5f0c68759dd1fff83fa40142209dff5eaad96db9e6386c', '11187331c279962d93d604243fd592cb9d0a926f422e47187521287e7156c5c4d603135569b9e9d09cf5d4a270f59746'],
    ['P-521', '0037ade9319a89f4dabdb3ef411aaccca5123c61acab57b5393dce47608172a095aa85a30fe1c2952c6771d937ba9777f5957b2639bab072462f68c27a57382d4a52', null, null,
      '00d0b3975ac4b799f5bea16d5e13e9af971d5e9b984c9f39728b5e5739735a219b97c356436adc6e95bb0352f6be64a6c2912d4ef2d0433ced2b6171640012d9460f', '015c68226383956e3bd066e797b623c27ce0eac2f551a10c2c724d9852077b87220b6536c5c408a1d2aebb8e86d678ae49cb57091f4732296579ab44fcd17f0fc56a', '01144c7d79ae6956bc8edb8e7c787c4521cb086fa64407f97894e5e6b2d79b04d1427e73ca4baa240a34786859810c06b3c715a3a8cc3151f2bee417996d19f3ddea'],
  ];
  for (const [namedCurve, d, x, y, theirX, theirY, secret] of cases) {
    const curve = { name: 'ECDH', namedCurve };
    // Without its point, the key is that of PKCS #8 with the private number alone.
    const mine = x ? await s.importKey('jwk', { kty: 'EC', crv: namedCurve, d: base64url(d), x: base64url(x), y: base64url(y) }, curve, false, ['deriveBits'])
      : await s.importKey('pkcs8', bytes(bare(namedCurve, d)), curve, false, ['deriveBits']);
    const theirs = await s.importKey('raw', bytes('04' + theirX + theirY), curve, false, []);
    is(`ECDH ${namedCurve}`, hex(await s.deriveBits({ name: 'ECDH', public: theirs }, mine, null)), secret);
    is('its first 20 bits', hex(await s.deriveBits({ name: 'ECDH', public: theirs }, mine, 20)), secret.slice(0, 5) + '0');
  }
}
// PrivateKeyInfo around an ECPrivateKey that has no optional part (RFC 5915 3).
function bare(curve, d) {
  const der = (tag, ...parts) => { const body = parts.join(''); return tag + (body.length / 2).toString(16).padStart(2, '0') + body; };
  const oid = { 'P-384': '06052b81040022', 'P-521': '06052b81040023' }[curve];
  return der('30', '020100', der('30', '06072a8648ce3d0201', oid), der('04', der('30', '020101', der('04', d))));
}

async function keyWrap() {
  const cases = [
    ['000102030405060708090a0b0c0d0e0f', '00112233445566778899aabbccddeeff', '1fa68b0a8112b447aef34bd8fb5a7b829d3e862371d2cfe5'],
    ['000102030405060708090a0b0c0d0e0f1011121314151617', '00112233445566778899aabbccddeeff', '96778b25ae6ca435f92b5b97c050aed2468ab8a17ad84e5d'],
    ['000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f', '00112233445566778899aabbccddeeff', '64e8c3f9ce0f5ba263e9777905818a2a93c8191e7d6e8ae7'],
    ['000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f', '00112233445566778899aabbccddeeff000102030405060708090a0b0c0d0e0f', '28c9f404c4b810f4cbccb35cfb87f8263f5786e2d80ed326cbc7f0e71a99f43bfb988b9b7a02dd21'],
  ];
  for (const [kek, key, wrapped] of cases) {
    const wrapper = await s.importKey('raw', bytes(kek), 'AES-KW', false, ['wrapKey', 'unwrapKey']);
    const inner = await s.importKey('raw', bytes(key), 'AES-GCM', true, ['encrypt']);
    is(`AES-KW ${kek.length * 4}`, hex(await s.wrapKey('raw', inner, wrapper, 'AES-KW')), wrapped);
    const out = await s.unwrapKey('raw', bytes(wrapped), wrapper, 'AES-KW', 'AES-CBC', true, ['decrypt']);
    is('and back', hex(await s.exportKey('raw', out)), key);
  }
}

async function derivation() {
  const ikm = await s.importKey('raw', new Uint8Array(22).fill(0x0b), 'HKDF', false, ['deriveBits']);
  const hkdf = (salt, info, bits) => s.deriveBits({ name: 'HKDF', hash: 'SHA-256', salt: bytes(salt), info: bytes(info) }, ikm, bits);
  is('HKDF A.1', hex(await hkdf('000102030405060708090a0b0c', 'f0f1f2f3f4f5f6f7f8f9', 336)), '3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865');
  is('HKDF A.3', hex(await hkdf('', '', 336)), '8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8');
  const pbkdf2 = async (hash, password, salt, iterations, bits) => {
    const key = await s.importKey('raw', utf8(password), 'PBKDF2', false, ['deriveBits']);
    return hex(await s.deriveBits({ name: 'PBKDF2', hash, salt: utf8(salt), iterations }, key, bits));
  };
  is('PBKDF2 1', await pbkdf2('SHA-1', 'password', 'salt', 1, 160), '0c60c80f961f0e71f3a9b524af6012062fe037a6');
  is('PBKDF2 2', await pbkdf2('SHA-1', 'password', 'salt', 4096, 160), '4b007901b765489abead49d926f721d065a429c1');
  is('PBKDF2 3', await pbkdf2('SHA-1', 'passwordPASSWORDpassword', 'saltSALTsaltSALTsaltSALTsaltSALTsalt', 4096, 200), '3d2eec4fe41c849b80c8d83662c0e44a8b291a964cf2f07038');
  is('PBKDF2 with zeros', await pbkdf2('SHA-1', 'pass\0word', 'sa\0lt', 4096, 128), '56fa6aa75548099dcc37d7f03425e0c3');
  is('PBKDF2 SHA-256', await pbkdf2('SHA-256', 'Password', 'NaCl', 80000, 512), '4ddcd8f60b98be21830cee5ef22701f9641a4418d04c0414aeff08876b34ab56a1d425a1225833549adb841b51c9b3176a272bdebba1d078478f62b397f33c8d');
}

async function secrets() {
  const key = await s.importKey('raw', utf8('Jefe'), { name: 'HMAC', hash: 'SHA-512' }, false, ['sign']);
  is('HMAC', hex(await s.sign('HMAC', key, utf8('what do ya want for nothing?'))), '164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737');
  const aes = await s.importKey('raw', bytes('feffe9928665731c6d6a8f9467308308'), 'AES-GCM', false, ['encrypt']);
  const plain = bytes('d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39');
  const sealed = await s.encrypt({ name: 'AES-GCM', iv: bytes('cafebabefacedbaddecaf888'), additionalData: bytes('feedfacedeadbeeffeedfacedeadbeefabaddad2') }, aes, plain);
  is('AES-GCM', hex(sealed), '42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e0915bc94fbc3221a5db94fae95ae7121a47');
}

export const options = once;
export default async function () {
  await ecdsa();
  await ecdh();
  await keyWrap();
  await derivation();
  await secrets();
}
