// Which sites are looked up before a message is placed, and what follows when nobody answers.
import { expect, test } from 'vitest';
import type { Delivery } from '../../../src/delivery/session.ts';
import { nextClaim, routedNow } from '../../../src/queue/claims.ts';
import { type House, placementContext } from '../../../src/queue/house.ts';
import { lookUpSites, sitesWanted } from '../../../src/queue/site-lookup.ts';
import { temporaryFolder } from '../../harness/folder.ts';
import { openHouse, type TestHouse } from '../../harness/house.ts';
import { policyFrom } from '../../harness/policy.ts';
import { mail, openSpool } from '../../harness/spool.ts';
import { entry, MINUTE, message } from './setting.ts';

const policy = policyFrom(`
routes: { provider: { via: smarthost, hosts: [smtp.example] }, other: { via: smarthost, hosts: [smtp.other] } }
sites: { big: { mx: "*.big.example" }, named: { domains: named.example } }
rules:
  - { name: plain, when: { from: plain@example.net }, route: direct }
  - { name: big, when: { site: big, not: { to: kept@big.test } }, route: provider }
  - { name: rest, route: other }
`);

interface Looking extends TestHouse {
  readonly asked: string[];
}

async function house(bestMx: Delivery['bestMx'], rules = policy): Promise<Looking> {
  const { spool } = await openSpool(temporaryFolder());
  const asked: string[] = [];
  const made = openHouse(spool, rules);
  const looked: Delivery['bestMx'] = (domain, signal) => {
    asked.push(domain);
    return bestMx(domain, signal);
  };
  return { ...made, asked, delivery: { ...made.delivery, bestMx: looked } };
}

const toBig = async (): Promise<string[]> => ['mx.big.example'];
const hangs: Delivery['bestMx'] = (_, signal) =>
  new Promise((resolve) => signal.addEventListener('abort', () => resolve(null)));
const never = new AbortController().signal;

const wanted = (here: House, recipients: string[], from = 'ann@example.net'): string[] =>
  sitesWanted(message(recipients, { from }), entry(recipients.length), placementContext(here));

test('domains are asked for whose site would decide, once each, and only while nobody knows them', async () => {
  const here = await house(toBig);
  const recipients = ['a@one.test', 'b@one.test', 'c@two.test', 'd@named.example', 'kept@big.test'];
  expect(wanted(here, recipients)).toEqual(['one.test', 'two.test']);
  expect(wanted(here, recipients, 'plain@example.net')).toEqual([]);
  here.sites.learned('one.test', ['mx.one.test']);
  here.sites.learned('two.test', null);
  expect(wanted(here, recipients)).toEqual([]);
  const plain = await house(toBig, policyFrom('rules: [{ route: direct }]'));
  expect(wanted(plain, recipients)).toEqual([]);
});

test('who does not answer in time counts as unknown; who interrupts learns nothing', async () => {
  const here = await house(hangs);
  const looking = lookUpSites(here, ['one.test'], never);
  here.clock.advance(5_000);
  await looking;
  expect(here.sites.nameOf(policy, 'one.test')).toBeNull();
  const stop = new AbortController();
  const interrupted = lookUpSites(here, ['two.test'], stop.signal);
  stop.abort();
  await interrupted;
  expect(here.sites.nameOf(policy, 'two.test')).toBeUndefined();
});

/** A message that was queued by `other`, in the hands of a run. */
async function claimed(here: Looking) {
  const destination = 'other';
  await here.spool.commit(mail(here.spool, { due: here.clock.now(), entry: { destination } }));
  const claim = here.spool.claim(destination, here.clock.now());
  if (!claim) throw new Error('nothing was claimed');
  return claim;
}

/** Where the message goes once every look is over. */
async function routed(here: Looking) {
  const first = await routedNow(here, await claimed(here));
  await Promise.all(here.looking);
  const again = here.spool.claim('other', here.clock.now());
  return first ?? (again && routedNow(here, again));
}

test('a message waits for the look, is placed anew by what was found, and goes on where nothing was', async () => {
  const here = await house(toBig);
  expect(await routed(here)).toBeNull();
  expect([...here.spool.stock()]).toMatchObject([{ destination: 'provider', entries: 1 }]);
  const deaf = await house(async () => null);
  expect(await routed(deaf)).toMatchObject({ decision: { rule: 'rest' } });
  expect(await routed(deaf)).toMatchObject({ decision: { rule: 'rest' } });
  expect(deaf.asked).toHaveLength(1);
  deaf.clock.advance(MINUTE);
  await routed(deaf);
  expect(deaf.asked).toHaveLength(2);
});

test('others go on while a message waits; a stop gives it back as it was', async () => {
  const here = await house(hangs);
  const stop = new AbortController();
  const stopping: House = { ...here, stopping: stop.signal };
  const waiting = await claimed(here);
  expect(await routedNow(stopping, waiting)).toBeNull();
  const to = { message: { recipients: ['kept@big.test'] }, entry: { destination: 'other' } };
  await here.spool.commit(mail(here.spool, { due: here.clock.now(), ...to }));
  expect(await nextClaim(stopping, here.destinations.of('other'))).toMatchObject({
    decision: { rule: 'rest' },
  });
  stop.abort();
  await Promise.all(here.looking);
  expect(here.spool.claim('other', here.clock.now())?.entry.id).toBe(waiting.entry.id);
  expect(here.sites.nameOf(policy, 'example.com')).toBeUndefined();
});
