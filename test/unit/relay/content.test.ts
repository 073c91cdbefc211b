import { describe, expect, it } from 'vitest';
import { type ContentFault, ContentScanner } from '../../../src/relay/content.ts';

interface Result {
  content: string;
  rest: string;
  ended: boolean;
  fault: ContentFault | null;
}

/** Feeds `octets` in pieces of `size`. */
function scan(octets: string, mode: 'repair' | 'strict' = 'repair', size = Number.POSITIVE_INFINITY): Result {
  const scanner = new ContentScanner(mode);
  const all = Buffer.from(octets, 'latin1');
  let content = '';
  for (let start = 0; start < all.length; start += size) {
    const chunk = all.subarray(start, Math.min(start + size, all.length));
    const scanned = scanner.scan(chunk, 0);
    content += scanned.content?.toString('latin1') ?? '';
    if (scanned.ended) {
      const rest = all.toString('latin1', start + scanned.next);
      return { content, rest, ended: true, fault: scanner.fault };
    }
  }
  return { content, rest: '', ended: false, fault: scanner.fault };
}

const cases: readonly (readonly [wire: string, content: string | null])[] = [
  ['.\r\n', ''],
  ['a\r\n.\r\n', 'a\r\n'],
  ['\r\n.\r\n', '\r\n'],
  ['a\r\n\r\nb\r\n.\r\n', 'a\r\n\r\nb\r\n'],
  ['..\r\n.\r\n', '.\r\n'],
  ['...\r\n.\r\n', '..\r\n'],
  ['..a\r\n..b\r\nc..d\r\n.\r\n', '.a\r\n.b\r\nc..d\r\n'],
  ['.a\r\n.\r\n', 'a\r\n'],
  // Only CRLF.CRLF ends the message (RFC 5321 §4.1.1.4).
  ['a\n.\nb\r\n.\r\n', 'a\r\n.\r\nb\r\n'],
  ['a\n.\r\nb\r\n.\r\n', 'a\r\n.\r\nb\r\n'],
  ['a\r\n.\nb\r\n.\r\n', 'a\r\n\r\nb\r\n'],
  ['a\r.\r\nb\r\n.\r\n', 'a\r\n.\r\nb\r\n'],
  ['a\r\n.\rb\r\n.\r\n', 'a\r\n\r\nb\r\n'],
  ['a\r.\rb\r\n.\r\n', 'a\r\n.\r\nb\r\n'],
  ['a\n.\rb\r\n.\r\n', 'a\r\n.\r\nb\r\n'],
  // Dots are transparency after CRLF only (RFC 5321 §4.5.2).
  ['a\n..b\r\n.\r\n', 'a\r\n..b\r\n'],
  ['a\r..b\r\n.\r\n', 'a\r\n..b\r\n'],
  ['\n\n\n\r\n.\r\n', '\r\n\r\n\r\n\r\n'],
  ['\r\r\n.\r\n', '\r\n\r\n'],
  ['\r\r\r\n.\r\n', '\r\n\r\n\r\n'],
  ['a\n\rb\r\n.\r\n', 'a\r\n\r\nb\r\n'],
  ['.\r\r\n.\r\n', '\r\n\r\n'],
  ['.\n.\r\n.\r\n', '\r\n.\r\n'],
  ['\xe4\xff\t\x01\x0b\x0c\r\n.\r\n', '\xe4\xff\t\x01\x0b\x0c\r\n'],
  // The end never comes.
  ['a\n.\n', null],
  ['a\r\n.\n', null],
  ['a\r.\r', null],
  ['a\r\n.\r', null],
  ['a\r\n.', null],
];

describe('repair', () => {
  it.each(cases)('%j', (wire, content) => {
    const whole = scan(content === null ? wire : `${wire}QUIT\r\n`);
    expect(whole.ended).toBe(content !== null);
    expect(whole.fault).toBeNull();
    if (content !== null) expect(whole).toMatchObject({ content, rest: 'QUIT\r\n' });
  });

  it('gives the same wherever the network cuts', () => {
    for (const [wire, content] of cases) {
      for (let size = 1; size <= wire.length; size++) {
        const { ended, ...found } = scan(wire, 'repair', size);
        expect(ended, `${JSON.stringify(wire)} by ${size}`).toBe(content !== null);
        if (content !== null) expect(found.content, `${JSON.stringify(wire)} by ${size}`).toBe(content);
      }
    }
  });

  it('lets long lines pass', () => {
    const line = 'x'.repeat(100_000);
    expect(scan(`${line}\r\n.\r\n`)).toMatchObject({ content: `${line}\r\n`, fault: null, ended: true });
  });

  it('does not copy what needs no change', () => {
    const chunk = Buffer.from('MAIL one\r\ntwo\r\n.\r\nQUIT\r\n');
    const { content, next } = new ContentScanner('repair').scan(chunk, 5);
    expect(content?.toString()).toBe('one\r\ntwo\r\n');
    expect(content?.buffer).toBe(chunk.buffer);
    expect(content?.byteOffset).toBe(chunk.byteOffset + 5);
    expect(chunk.toString('latin1', next)).toBe('QUIT\r\n');
  });

  it('needs time in proportion to the octets, whatever they are', () => {
    for (const octets of ['..\r\n', '.\r\r\n', '\n', '\r', '\n.']) {
      const scanner = new ContentScanner('repair');
      const chunk = Buffer.alloc(65_536, octets);
      const start = performance.now();
      for (let i = 0; i < 64; i++) scanner.scan(chunk, 0);
      // 4 MB; a loaded machine needs some 200 ms at worst, quadratic work would need minutes.
      expect(performance.now() - start, JSON.stringify(octets)).toBeLessThan(3000);
    }
  });
});

describe('NUL', () => {
  it.each(['repair', 'strict'] as const)('is a fault under %s, and the end is still found', (mode) => {
    expect(scan('a\0b\r\n.\r\n', mode)).toMatchObject({ fault: 'nul', ended: true });
    expect(scan('\0\r\n.\r\n', mode)).toMatchObject({ fault: 'nul', ended: true });
    expect(scan('..\0\r\n.\r\n', mode, 1)).toMatchObject({ fault: 'nul', ended: true });
    expect(scan('a\r\0\r\n.\r\n', mode).fault).not.toBeNull();
  });
});

describe('strict', () => {
  it.each<[string, ContentFault | null]>([
    ['a\r\nb\r\n.\r\n', null],
    ['a\nb\r\n.\r\n', 'bare-lf'],
    ['a\rb\r\n.\r\n', 'bare-cr'],
    ['.\rb\r\n.\r\n', 'bare-cr'],
    ['\r\r\n.\r\n', 'bare-cr'],
    ['.\nb\r\n.\r\n', 'bare-lf'],
    [`${'x'.repeat(998)}\r\n.\r\n`, null],
    [`${'x'.repeat(999)}\r\n.\r\n`, 'long-line'],
    [`a\r\n..${'x'.repeat(997)}\r\n.\r\n`, null],
    [`a\r\n..${'x'.repeat(998)}\r\n.\r\n`, 'long-line'],
  ])('%j: %s', (wire, fault) => {
    for (const size of [1, 7, 999, 5000]) {
      expect(scan(wire, 'strict', size), `by ${size}`).toMatchObject({ fault, ended: true });
    }
  });
});
