// A peer that takes few connections at a time, as many do, and says 421 to the others.
// A whole daemon with more mail than the peer has connections for.
// Never deferred, never knocking without end: the mail goes over the connections that the peer takes.
import { expect, test } from 'vitest';
import { balanced, makeWorld, onceEach, send } from './world.ts';

test('a peer that takes two connections at a time gets its mail over two, and nobody is charged', async () => {
  const script = { dot: () => ({ do: 'slow', reply: '250 2.0.0 ok', octets: 4, every: 3 }) as const };
  const world = await makeWorld({}, { maxConnections: 2, script });
  const sendoff = await world.start();
  const subjects = Array.from({ length: 150 }, (_, n) => `message ${n}`);
  await Promise.all(subjects.map((subject) => send(sendoff, subject)));
  expect(balanced(await sendoff.settled())).toMatchObject({ accepted: 150, delivered: 150 });
  expect(onceEach(world.peer)).toEqual(subjects.sort());
  expect(sendoff.events('deferred')).toEqual([]);
  expect(world.peer.connectionsSeen).toBeLessThan(45);
});
