// A page of 75 KB, parsed and asked for what scripts look for, an iteration each.
import { parseHTML } from 'k6/html';
const rows = Array.from({ length: 420 }, (_, i) => `<tr class="row ${i % 2 ? 'odd' : 'even'}" data-id="${i}"><td><a href="/things/${i}">Thing &amp; ${i}</a></td><td class="price">${i}.99</td><td><input type="hidden" name="token${i}" value="abc${i}"></td></tr>`);
const page = `<!doctype html><html><head><title>Things</title></head><body><form id="f" action="/buy"><table id="things">${rows.join('\n')}</table></form></body></html>`;
export default function () {
  const doc = parseHTML(page);
  const found = [doc.find('title').text(), doc.find('#things tr.odd').size(), doc.find('a[href^="/things/4"]').first().attr('href'),
    doc.find('td.price').last().text(), doc.find('input[name=token7]').val(), doc.find('form table tr:nth-child(3) > td').eq(1).text()];
  if (found.join() !== 'Things,210,/things/4,419.99,abc7,2.99') throw new Error(found.join());
}
