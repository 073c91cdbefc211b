import { expect, it } from 'vitest';
import { replyLines } from '../../../src/relay/replies.ts';

it('writes code, status and text', () => {
  expect(replyLines({ code: 550, enhanced: '5.7.1', text: 'no' })).toEqual(['550 5.7.1 no']);
  expect(replyLines({ code: 354, enhanced: '', text: 'go on' })).toEqual(['354 go on']);
});

it('writes several lines', () => {
  expect(replyLines({ code: 550, enhanced: '5.7.1', text: 'one\ntwo' })).toEqual([
    '550-5.7.1 one',
    '550 5.7.1 two',
  ]);
});

it('lets nothing out that could be taken for another line, and no line over 512 octets', () => {
  const [line = ''] = replyLines({ code: 550, enhanced: '5.7.1', text: `a\r250 b\0ü${'x'.repeat(600)}` });
  expect(line).toMatch(/^550 5\.7\.1 a\?250 b\?\?x+$/);
  expect(line.length + 2).toBe(512);
});
