// Who is turned away: a connection that others have in its place, and no message that anybody looked at.
import { expect, test } from 'vitest';
import type { Failure } from '../../../src/delivery/failure.ts';
import type { ConnectionLimit } from '../../../src/limits/limits.ts';
import type { Slot } from '../../../src/limits/slots.ts';
import type { AttemptReport } from '../../../src/queue/attempt.ts';
import type { Destination } from '../../../src/queue/destinations.ts';
import { Presence } from '../../../src/queue/presence.ts';
import type { RecipientOutcome } from '../../../src/queue/settle.ts';
import { temporaryFolder } from '../../harness/folder.ts';
import { openHouse, type TestHouse } from '../../harness/house.ts';
import { openSpool } from '../../harness/spool.ts';
import { failure, MINUTE } from './setting.ts';

const slot: Slot = { release: () => undefined, isSurplus: () => false };
const site: ConnectionLimit = { key: 'site big', connections: 20, site: 'big' };
const route: ConnectionLimit = { key: 'route provider', connections: 20, site: null };

interface Here {
  readonly house: TestHouse;
  readonly destination: Destination;
  come(limit?: ConnectionLimit): Presence;
}

/** A destination that answers, or one that nobody has tried. */
async function here(standing: 'live' | 'new' = 'live'): Promise<Here> {
  const house = openHouse((await openSpool(temporaryFolder())).spool);
  const destination = house.destinations.of('direct example.org');
  if (standing === 'live') destination.lastSuccess = house.clock.now();
  const come = (limit = site): Presence => {
    destination.connected++;
    return new Presence(house, destination, null, [limit], slot);
  };
  return { house, destination, come };
}

const full = failure({ scope: 'host', class: 'throttled', phase: 'greeting', reply: '421 too many' });
const { reply: _, ...silent } = failure({ scope: 'host', class: 'unreachable', phase: 'connect' });

function report(outcome: RecipientOutcome, via = false): AttemptReport {
  const reached = { host: 'mx', ip: '192.0.2.1', source: '192.0.2.9', tls: null, connectMs: 0 };
  return { outcomes: new Map([[0, outcome]]), startedAt: 0, via: via ? reached : null, transferMs: 0 };
}

const failed = (what: Failure, via = false): AttemptReport => report({ kind: 'failed', failure: what }, via);

test('the connection that is too many is turned away, and as many are allowed as are in', async () => {
  const { house, come } = await here();
  for (let n = 0; n < 3; n++) come().opened();
  expect(come().isTurnedAway(failed(full))).toBe(true);
  expect(house.adaptive.allowed(site)).toBe(3);
  expect(house.adaptive.ceiling(site.key)).toBe(3);
});

test('at a site the others may be for another domain, when the receiver says that there are too many', async () => {
  const { house, destination, come } = await here('new');
  const elsewhere = house.destinations.of('direct example.com');
  new Presence(house, elsewhere, null, [site], slot).opened();
  expect(come().isTurnedAway(failed(full))).toBe(true);
  expect(destination.notBefore).toBeLessThanOrEqual(house.clock.now() + 1000);
  expect(come().isTurnedAway(failed(silent))).toBe(false);
});

test.each<[string, AttemptReport]>([
  ['a refusal for good', failed({ ...full, permanent: true })],
  ['a refusal of the message', failed(failure(), true)],
  ['a host that was reached and went silent', failed(silent, true)],
  ['trouble of our own', failed({ ...silent, scope: 'message', ours: true })],
  ['a delivery', report({ kind: 'delivered', reply: '250 ok' }, true)],
])('%s is none', async (_, what) => {
  const { come } = await here();
  come().opened();
  expect(come().isTurnedAway(what)).toBe(false);
});

test('a 421 at MAIL is about the connection; alone it is nobody’s but its message’s', async () => {
  const { house, destination, come } = await here();
  const atMail = failed({ ...full, phase: 'mail' }, true);
  const alone = come();
  alone.opened();
  expect(alone.isTurnedAway(atMail)).toBe(false);
  const second = come();
  second.opened();
  expect(second.isTurnedAway(atMail)).toBe(true);
  expect(house.adaptive.allowed(site)).toBe(1);
  second.left();
  expect(house.adaptive.open(site.key)).toBe(1);
  expect(destination.connected).toBe(2);
});

test('a smarthost that takes no more is asked for more after a minute; its number stays the operator’s', async () => {
  const { house, destination, come } = await here();
  come(route).opened();
  const before = house.clock.now();
  expect(come(route).isTurnedAway(failed(full))).toBe(true);
  expect(destination.notBefore).toBeGreaterThanOrEqual(before + MINUTE);
  expect(house.adaptive.allowed(route)).toBe(20);
});

test('a further connection that says nothing is turned away too, and halves what is at work', async () => {
  const { house, come } = await here();
  for (let n = 0; n < 4; n++) come().opened();
  expect(come().isTurnedAway(failed({ ...silent, ours: true }))).toBe(true);
  expect(house.adaptive.allowed(site)).toBe(5);
  expect(come().isTurnedAway(failed(silent))).toBe(true);
  expect(house.adaptive.allowed(site)).toBe(2);
});

test('trouble halves, deliveries grow', async () => {
  const { house, come } = await here();
  const all = Array.from({ length: 5 }, () => come());
  for (const one of all) one.opened();
  const delivered = report({ kind: 'delivered', reply: '250 ok' }, true);
  for (let n = 0; n < 6; n++) all[0]?.fared(delivered);
  expect(house.adaptive.allowed(site)).toBe(6);
  all[0]?.fared(failed(failure({ class: 'throttled' }), true));
  expect(house.adaptive.allowed(site)).toBe(2);
});
