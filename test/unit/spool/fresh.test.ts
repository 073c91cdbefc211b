// Fresh bodies: what was added last is there whole, what the ring has overwritten is not there at all.
// Sizes are chosen so that the ring turns over several times.
// Never lets one body be read with the octets of another.
import { expect, test } from 'vitest';
import { FreshBodies } from '../../../src/spool/fresh.ts';

test('gives back what was added, as a copy', () => {
  const fresh = new FreshBodies();
  const chunks = [Buffer.from('ab'), Buffer.from('c')];
  fresh.add({ id: 'x', chunks, size: 3 });
  fresh.get('x')?.fill(0);
  expect(fresh.get('x')?.toString()).toBe('abc');
  fresh.remove('x');
  expect(fresh.get('x')).toBeUndefined();
  expect(fresh.get('never')).toBeUndefined();
});

test('forgets the oldest, never half of one', () => {
  const fresh = new FreshBodies();
  const size = 250_001;
  const there: boolean[] = [];
  for (let i = 0; i < 200; i++) {
    fresh.add({ id: `${i}`, chunks: [Buffer.alloc(size, i)], size });
    if (i % 3 === 0) fresh.remove(`${i - 1}`);
  }
  for (let i = 0; i < 200; i++) {
    const body = fresh.get(`${i}`);
    there.push(body !== undefined);
    if (body !== undefined) expect(body.equals(Buffer.alloc(size, i))).toBe(true);
  }
  expect(there.lastIndexOf(false, 150)).toBeGreaterThan(130);
  expect(there.slice(140).filter(Boolean).length).toBeGreaterThan(30);
});
