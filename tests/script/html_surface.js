// k6/html: every method that @types/k6 declares is there; jQuery's selectors; pages that are too much.
// expect-none: level=error
import { parseHTML } from 'k6/html';
import { is, ok, once, throws } from './lib/check.js';

const METHODS = {
  a: 'hash host hostname origin password pathname port protocol relList search text username',
  area: 'hash host hostname origin password pathname port protocol relList search text username',
  button: 'form formAction formEnctype formMethod formNoValidate formTarget labels name value',
  canvas: 'width height', datalist: 'options', fieldset: 'elements form type validity', form: 'elements length method',
  input: 'form formAction formEnctype formMethod formNoValidate formTarget labels name', keygen: 'form labels',
  label: 'control form', legend: 'form', link: 'relList', map: 'areas images', audio: 'textTracks', video: 'textTracks',
  meter: 'labels', object: 'form', option: 'disabled form index label text value', output: 'defaultValue form labels value',
  progress: 'labels max position value', script: 'text',
  select: 'form labels length options selectedIndex selectedOptions size type value', style: 'type', td: 'cellIndex', th: 'cellIndex',
  col: 'span', table: 'caption rows tBodies tFoot tHead', tbody: 'rows', thead: 'rows', tfoot: 'rows',
  tr: 'cells rowIndex sectionRowIndex', textarea: 'form labels length', title: 'text',
};
const ELEMENT = 'attributes childElementCount childNodes children classList className contains firstChild firstElementChild getAttribute getAttributeNode getElementsByClassName getElementsByTagName hasAttribute hasAttributes hasChildNodes id innerHTML isDefaultNamespace isEqualNode isSameNode lang lastChild lastElementChild matches namespaceURI nextElementSibling nextSibling nodeName nodeType nodeValue ownerDocument parentElement parentNode previousElementSibling previousSibling querySelector querySelectorAll textContent toString';
const SELECTION = 'attr children closest contents data each eq filter find first get has html is last map next nextAll nextUntil not parent parents parentsUntil prev prevAll prevUntil serialize serializeArray serializeObject size slice text toArray val add end index siblings single hasClass';
const ATTRIBUTE = 'localName namespaceURI ownerElement prefix';

const PAGE = `<html lang="de"><head><title>T</title><style>a{}</style></head><body>
<div id="top" class="a b"><p>one</p><p class="x">two</p><p>three <em>deep</em></p><p data-n="4">four</p></div>
<table><caption>c</caption><colgroup><col span="2"></colgroup><thead><tr><th>h</th></tr></thead><tbody><tr><td>1</td><td>2</td></tr></tbody><tfoot><tr><td>f</td></tr></tfoot></table>
<form id="f" action="/go?old=1" method="post"><input name="t" value="v"><input type="checkbox" name="c" checked><input type="radio" name="r" value="1"><input type="hidden" name="h" value="">
<select name="s"><option value="1">A<option value="2" selected>B</select><textarea name="ta">text</textarea><button name="b" value="x">go</button><input type="submit" name="go" value="Go"><input disabled name="d" value="1"></form>
<a href="https://u:p@h.test:8080/p/q?x=1#frag" hreflang="en" lang="en">Link one</a><a href="#">two</a><h1>H</h1><ul><li>1</li><li>2</li><li>3</li></ul></body></html>`;

export const options = once;
export default function () {
  const missing = [];
  const has = (what, object, names) => names.split(' ').forEach((m) => { if (typeof object[m] !== 'function') missing.push(`${what}.${m}`); });
  const wrap = { td: '<table><tr>$</tr></table>', th: '<table><tr>$</tr></table>', tr: '<table>$</table>', tbody: '<table>$</table>', thead: '<table>$</table>', tfoot: '<table>$</table>', col: '<table><colgroup>$</colgroup></table>', caption: '<table>$</table>' };
  for (const [tag, names] of Object.entries(METHODS)) {
    const e = parseHTML((wrap[tag] ?? '$').replace('$', `<${tag}></${tag}>`)).find(tag).get(0);
    if (!e) { if (tag !== 'keygen') missing.push(tag); continue; }
    has(tag, e, `${names} ${ELEMENT}`);
    for (const m of names.split(' ')) e[m](); // none of them fails on an empty element
  }
  const d = parseHTML(PAGE);
  has('Selection', d, SELECTION);
  const attribute = d.find('#top').get(0).getAttributeNode('id');
  has('Attribute', attribute, ATTRIBUTE);
  is('attribute', [attribute.name, attribute.value], ['id', 'top']);
  is('missing', missing, []);

  const t = (selector) => d.find(selector).map((i, x) => x.text().trim());
  is(':first', t('p:first'), ['one']);
  is(':last', t('p:last'), ['four']);
  is(':eq', [t('p:eq(1)'), t('p:eq(-1)'), t('p:eq(9)')], [['two'], ['four'], []]);
  is(':gt :lt', [t('p:gt(1)'), t('p:lt(1)')], [['three deep', 'four'], ['one']]);
  is(':even :odd', [t('p:even'), t('p:odd')], [['one', 'three deep'], ['two', 'four']]);
  is(':has', t('p:has(em)'), ['three deep']);
  is(':not', t('#top p:not(.x):not([data-n])'), ['one', 'three deep']);
  is(':contains', [t('p:contains("two")'), t('p:contains(three deep)'), t('p:contains(Two)')], [['two'], ['three deep'], []]);
  is(':checked', d.find(':checked').map((i, x) => x.attr('name') ?? x.text()), ['c', 'B']);
  is(':input', d.find(':input').size(), 9);
  is(':button', d.find(':button').map((i, x) => x.attr('name')), ['b']);
  is('input types', [d.find(':submit').size() >= 1, d.find(':checkbox').size(), d.find(':radio').size(), d.find(':text').size()], [true, 1, 1, 2]);
  is(':disabled :enabled', [d.find(':disabled').size(), d.find('input:enabled').size()], [1, 5]);
  is('attributes', ['[lang]', '[lang=en]', '[lang!=en]', '[class~=b]', '[lang|=de]', '[href^="https"]', '[href$=frag]', '[href*="h.test"]', "[data-n='4']"]
    .map((s) => d.find(`body ${s}`).size()).map((n) => n > 0), [true, true, true, true, false, true, true, true, true]);
  is('!=', d.find('a[lang!="en"]').size(), 1);
  is('combinators', [t('#top > p + p').length, t('.x ~ p').length, t('div p, h1').length, t('li:nth-child(2n+1)')], [3, 2, 5, ['1', '3']]);

  const refuses = (selector, place) => throws(selector, () => d.find(selector), place);
  refuses('p:nope', /nope/);
  refuses('p[', /p\[/);
  refuses('p >', />/);
  refuses('p:nth-child(x)', /nth-child|x/);
  refuses('p:not(', /not/);
  refuses('..a', /\./);
  refuses('p:eq(a)', /eq/);
  refuses(':not('.repeat(50) + 'a' + ')'.repeat(50), /nested/);

  throws('50 MB', () => parseHTML('<p>x</p>'.repeat(50 * 1024 * 128)), /at most/);
  throws('deep', () => parseHTML('<div>'.repeat(100000)), /deep/);
  is('closed by themselves', parseHTML('<p>'.repeat(20000)).find('p').size(), 20000);
  is('deep lists', typeof parseHTML('<ul><li>'.repeat(1500)).find('li').text(), 'string');
  is('broken', parseHTML('<a <b></c><!--').find('a').size(), 1);
  is('nothing', [parseHTML('').find('*').size(), parseHTML('\0\uffff').text().length > 0], [3, true]);
}
