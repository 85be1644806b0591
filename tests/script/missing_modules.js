// expect-none: WRONG
// Each module that k6 has or had and gale has not is refused with what serves instead.
const wanted = {
  'k6/browser': 'k6/http',
  'k6/experimental/browser': 'k6/http',
  'k6/experimental/grpc': 'k6/net/grpc',
  'k6/experimental/redis': 'Redis',
  'k6/experimental/timers': 'k6/timers',
  'k6/experimental/tracing': 'http-instrumentation-tempo',
  'k6/experimental/webcrypto': 'global crypto',
  'k6/x/dns': 'option dns',
  'k6/x/exec': '-e NAME=VALUE',
  'k6/x/faker': '@faker-js/faker',
  'k6/x/kafka': 'REST proxy',
  'k6/x/mqtt': 'k6/websockets',
  'k6/x/redis': 'Redis',
  'k6/x/sql': 'database',
  'k6/x/of-our-own': 'npm package',
};

for (const [name, instead] of Object.entries(wanted)) {
  let said = '';
  try {
    require(name);
  } catch (e) {
    said = String(e);
  }
  const [what, advice] = said.split('; what serves instead: ');
  if (!what.includes(`"${name}"`) || !advice || !advice.includes(instead)) console.log(`WRONG: ${name}: ${said}`);
}

let said = '';
try {
  require('k6/nothing');
} catch (e) {
  said = String(e);
}
if (!said.includes('unknown module "k6/nothing"') || said.includes('instead')) console.log(`WRONG: ${said}`);

export default function () {}
