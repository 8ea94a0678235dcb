// Listings decide what is copied and deleted: whatever a document says must come out exactly, and a document that
// stops anywhere before its end must throw. Tables for the forms services send; properties for cuts and round trips.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DroverError } from '../model/errors.ts';
import { child, childText, children, escapeXml, parseXml } from './xml.ts';

const LISTING = `\ufeff<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name><Prefix/><IsTruncated>false</IsTruncated>
<Contents><Key>a&amp;b/&lt;c&gt;&#x1F600;&#13;</Key><ETag>&quot;d41d&quot;</ETag><Size>0</Size></Contents><!-- x > y -->
<Contents><Key><![CDATA[<raw> & ]] kept]]></Key><Size>1</Size></Contents>
</ListBucketResult>`;

describe('reading', () => {
  test('a listing', () => {
    const root = parseXml(LISTING);
    expect(root.name).toBe('ListBucketResult');
    expect(root.attributes['xmlns']).toBe('http://s3.amazonaws.com/doc/2006-03-01/');
    expect(childText(root, 'Prefix')).toBe('');
    expect(childText(root, 'Marker')).toBeNull();
    expect(child(root, 'Marker')).toBeNull();
    const keys = children(root, 'Contents').map((entry) => childText(entry, 'Key'));
    expect(keys).toEqual(['a&b/<c>\u{1F600}\r', '<raw> & ]] kept']);
    expect(childText(root.children.at(-1)!, 'Size')).toBe('1');
    expect(child(child(root, 'Contents')!, 'ETag')!.text).toBe('"d41d"');
  });

  const ROWS: [string, string, string][] = [
    ['leading white space (sent to keep a connection alive)', '\n \n<?xml version="1.0"?>\n<a>x</a>\n', 'x'],
    ['spaces inside', '<a>  x  </a>', '  x  '],
    ['only spaces', '<a> </a>', ' '],
    ['decimal reference', '<a>&#65;&#128512;</a>', 'A\u{1F600}'],
    ['control character', '<a>&#x1;&#0;</a>', '\u0001\u0000'],
    ['a pair as two references', '<a>&#xD83D;&#xDE00;</a>', '\u{1F600}'],
    ['text around a child', '<a>x<b/>y</a>', 'xy'],
    ['CDATA beside text', '<a>x<![CDATA[&amp;]]>&amp;</a>', 'x&amp;&'],
    ['a comment in the text', '<a>x<!-- <b> -->y</a>', 'xy'],
    ['space in the tags', '<a\n>x</a >', 'x'],
    ['line ends kept', '<a>x\r\ny</a>', 'x\r\ny'],
  ];
  for (const [name, text, want] of ROWS) test(name, () => expect(parseXml(text).text).toBe(want));

  test('attributes', () => {
    const root = parseXml(`<a one = "1 > 0" two='&quot;&#x41;' x:y=""><b z="/"/></a>`);
    expect({ ...root.attributes }).toEqual({ one: '1 > 0', two: '"A', 'x:y': '' });
    expect(root.children[0]!.attributes['z']).toBe('/');
    expect(parseXml('<a __proto__="x"/>').attributes['__proto__']).toBe('x');
  });

  test('namespace prefixes are dropped from element names', () => {
    expect(childText(parseXml('<s:a xmlns:s="u"><s:b>x</s:b></s:a>'), 'b')).toBe('x');
  });
});

describe('refusing', () => {
  const ROWS: [string, string][] = [
    ['nothing', ''],
    ['only a declaration', '<?xml version="1.0"?>'],
    ['plain text', 'Service Unavailable'],
    ['a document type', '<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>'],
    ['crossed tags', '<a><b></a></b>'],
    ['a closing tag too many', '<a></a></a>'],
    ['two roots', '<a/><b/>'],
    ['text behind', '<a/>x'],
    ['unknown entity', '<a>&nbsp;</a>'],
    ['inherited name as an entity', '<a>&constructor;</a>'],
    ['bare ampersand', '<a>a & b</a>'],
    ['reference past Unicode', '<a>&#x110000;</a>'],
    ['half a pair', '<a>&#xDC80;</a>'],
    ['unquoted attribute', '<a b=c/>'],
    ['attribute without a value', '<a b/>'],
    ['attributes run together', '<a b="1"c="2"/>'],
    ['empty name', '<>x</>'],
  ];
  for (const [name, text] of ROWS) {
    test(name, () => {
      expect(() => parseXml(text)).toThrow(DroverError);
      expect(() => parseXml(text)).toThrow(expect.objectContaining({ code: 'UNAVAILABLE' }));
    });
  }

  test('every cut of a listing', () => {
    const text = LISTING.trimEnd();
    for (let length = 0; length < text.length; length++) {
      expect(() => parseXml(text.slice(0, length)), `cut at ${length}`).toThrow(DroverError);
    }
  });
});

test('escaped text comes back, as text and as an attribute', () => {
  const anyText = fc.string({ unit: 'binary', maxLength: 40 });
  fc.assert(
    fc.property(anyText, anyText, (text, value) => {
      const root = parseXml(`<a b="${escapeXml(value)}">${escapeXml(text)}</a>`);
      expect(root.text).toBe(text);
      expect(root.attributes['b']).toBe(value);
    }),
  );
});

test('a large page is read in one pass', () => {
  const entry = '<Contents><Key>folder/some-object-name</Key><Size>12345</Size></Contents>';
  const root = parseXml(`<L>${entry.repeat(5000)}</L>`);
  expect(root.children).toHaveLength(5000);
});
