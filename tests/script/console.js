// console.*: k6's format of values.
// expect-stderr: level=info msg="plain text 1 true null undefined" source=console
// expect-stderr: level=warning msg="{ a: 1, b: \"text\", c: [ 1, \"x\", null ], d: {}, e: [] }" source=console
// expect-stderr: level=error msg="[object Function] { f: [object Function] }" source=console
// expect-stderr: level=info msg="{ self: [Circular] }" source=console
// expect-stderr: level=info msg="\"1970-01-01T00:00:00.000Z\" { when: \"1970-01-01T00:00:00.000Z\" }" source=console
// expect-stderr: level=info msg="Error: oh { error: TypeError: no }" source=console
// expect-stderr: level=info msg="ArrayBuffer { [Uint8Contents]: <01 ff>, byteLength: 2 }" source=console
// expect-stderr: level=info msg="Uint8Array(2) [ 1, 255 ]" source=console
// expect-stderr: level=info msg=BLANK source=console
// expect-none: not shown
export default function () {
  console.log('plain text', 1, true, null, undefined);
  console.warn({ a: 1, b: 'text', c: [1, 'x', undefined], d: {}, e: [] });
  console.error(() => 1, { f() {} });
  const cycle = {};
  cycle.self = cycle;
  console.info(cycle);
  console.log(new Date(0), { when: new Date(0) });
  console.log(new Error('oh'), { error: new TypeError('no') });
  console.log(new Uint8Array([1, 255]).buffer);
  console.log(new Uint8Array([1, 255]));
  console.log('BLANK');
  console.debug('not shown');
}
