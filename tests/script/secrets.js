// args: --secret-source=mock=token=hunter2 --secret-source=mock=name=other,token=swordfish
// expect-stdout: checks_succeeded...: 100.00% 5 out of 5
// expect-stderr: the token is ***SECRET_REDACTED***
// expect-stderr: the other is ***SECRET_REDACTED***!
// expect-none: hunter2
// expect-none: swordfish
import secrets from 'k6/secrets';
import { check } from 'k6';

export default async function () {
  const token = await secrets.get('token');
  const other = await secrets.source('other').get('token');
  const why = await secrets.get('nothing').catch((e) => e.message);
  let thrown = '';
  try { secrets.source('none'); } catch (e) { thrown = e.message; }
  check(0, {
    'default source': () => token.length === 7,
    'named source': () => other.length === 9,
    'missing key': () => why.includes('no secret with the key "nothing"'),
    'missing source': () => thrown.includes('--secret-source'),
    'same again': () => token.startsWith('hunt'),
  });
  console.log('the token is', token);
  console.error(`the other is ${other}!`);
}
