// Quoted-printable: short lines of ASCII that decode to what went in.
// Runs quotedPrintable on awkward texts.
// Never decodes with our own code.
import { expect, test } from 'vitest';
import { quotedPrintable } from '../../../src/mail/quoted-printable.ts';

function decoded(text: string): Buffer {
  const octets = text
    .replace(/=\r\n/g, '')
    .replace(/=([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return Buffer.from(octets, 'latin1');
}

const everyOctet = Buffer.from(Array.from({ length: 256 }, (_, octet) => octet))
  .toString('latin1')
  .replace('\r', '');

test.each([
  ['plain words', 'hello\r\nworld\r\n'],
  ['UTF-8', 'Grüße aus Köln, 你好\r\n'],
  ['an equals sign', 'a=b =3D\r\n'],
  ['spaces and tabs at line ends', 'a \r\nb\t\r\n \r\n'],
  ['a long line', `${'x'.repeat(2_000)}\r\n`],
  ['a long line of encoded characters', `${'ü'.repeat(500)}\r\n`],
  ['lines of 74 to 78', [74, 75, 76, 77, 78].map((length) => 'y'.repeat(length)).join('\r\n')],
  ['every octet but CR', everyOctet],
  ['nothing', ''],
])('%s', (_, text) => {
  const original = Buffer.from(text, 'utf8');
  const encoded = quotedPrintable(original);
  expect(decoded(encoded)).toEqual(original);
  for (const line of encoded.split('\r\n')) expect(line).toMatch(/^([ -~\t]{0,75}[!-~])?$/);
});
