// What is logged is logged whole, up to 1 MB a line; past that its beginning is.
// expect-stdout: {"long":"y200000z"}
// expect-stdout: [ "y200000z" ]
// expect-stdout: ... (cut here: a line has 1 MB at most)
// expect-stdout: begins äää
// expect-none: the end
// args: --log-output=stdout --log-format=raw
const long = 'y'.repeat(200000) + 'z';
const shown = (text) => text.replace(/y{200000}/, 'y200000');

export default function () {
  console.log(shown(JSON.stringify({ long })));
  console.log([shown(long)]);
  console.log(long);
  console.log('begins ' + 'ä'.repeat(3000000) + 'the end');
  console.log({ list: new Array(1000000).fill('the end of a list').map((text) => text.slice(4)) });
}
