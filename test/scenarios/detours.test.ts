// A fallback with a memory: what a few messages found out spares all others, and the way back is found.
import { expect, test } from 'vitest';
import { networkForFile } from '../harness/network.ts';
import { type Sendoff, sendoffForFile, startSendoff } from '../harness/sendoff.ts';
import type { Step } from '../harness/smtp-peer.ts';
import { until } from '../harness/until.ts';

const HOUR = 3_600_000;
const BLOCKED = '554 5.7.1 Your address is blocked';
const REFUSED = '554 5.6.0 Such content is not taken';
const BLOCKED_FOR_NOW = '450 4.7.1 Your address is blocked';

const network = networkForFile();
const daemon = sendoffForFile(() => ({ dns: network().dns, mxPort: network().mxPort, policy: {} }));

interface Site {
  readonly name: string;
  /** Two domains whose mail it takes. */
  readonly domains: readonly [string, string];
  readonly peer: Awaited<ReturnType<ReturnType<typeof network>['peer']>>;
  /** What it says to RCPT; null: it takes the mail. */
  says: Step;
}

async function startSite(): Promise<Site> {
  const { dns } = network();
  const name = `mx.${network().name()}`;
  const peer = await network().peer({ hostname: name, script: { rcpt: () => site.says } });
  const domains = [network().name(), network().name()] as const;
  dns.set(name, { a: [peer.address] });
  for (const domain of domains) dns.set(domain, { mx: [[10, name]] });
  const site: Site = { name, domains, peer, says: null };
  return site;
}

async function startProvider() {
  const peer = await network().peer({ port: 0 });
  return {
    peer,
    routes: { provider: { via: 'smarthost', hosts: [`${peer.address}:${peer.port}`], tls: 'none' } },
  };
}

const delivered = async (sendoff: Sendoff, id: string): Promise<unknown> =>
  (await sendoff.about(id, 'delivered'))[0]?.route;

test('a block moves a site to the provider, a restart keeps it there, a canary brings it back', async () => {
  const { dns, mxPort } = network();
  const site = await startSite();
  const { routes } = await startProvider();
  const fallback = { on: ['blocked'], after: 9, siteAfter: 3, remember: '6h' };
  const policy = { routes, rules: [{ when: 'any', route: ['direct', 'provider'], fallback }] };
  let sendoff = await startSendoff({ dns, mxPort, policy });
  const send = (domain: string): Promise<string> => sendoff.send({ from: '', to: `ann@${domain}` });
  const [first, second] = site.domains;

  site.says = BLOCKED_FOR_NOW;
  const waiting = [await send(first), await send(second)];
  for (const id of waiting) await sendoff.about(id, 'deferred');
  expect(sendoff.events('route-left')).toEqual([]);
  site.says = BLOCKED;
  const third = await send(second);
  const left = await sendoff.event('route-left');
  expect(left).toMatchObject({
    route: 'direct',
    site: site.name,
    class: 'blocked',
    reason: BLOCKED,
    messages: 3,
  });
  // What waited for its next try goes now, and new mail knocks no more.
  for (const id of [...waiting, third]) expect(await delivered(sendoff, id)).toBe('provider');
  const knocks = site.peer.connectionsSeen;
  expect(await delivered(sendoff, await send(first))).toBe('provider');
  const asked = await sendoff.api(`/api/explain?from=&to=bob@${first}`);
  const reason = `direct is passed over: site ${site.name} left route direct until ${left.until}: blocked, 3 messages in a row`;
  expect(asked).toMatchObject({ present: { route: 'provider', reason } });
  expect(String(await sendoff.api('/metrics'))).toContain('sendoff_alarm_active{alarm="route-left"} 1');

  const { folder } = sendoff;
  const ahead = sendoff.now - Date.now();
  await sendoff.stop();
  sendoff = await startSendoff({ dns, mxPort, policy, folder, offset: ahead });
  expect(await delivered(sendoff, await send(second))).toBe('provider');
  expect(site.peer.connectionsSeen).toBe(knocks);

  // One message tries for all others. It is blocked again: that is remembered.
  await sendoff.advanceTo(left.until);
  const answer = Promise.withResolvers<void>();
  site.says = { do: 'wait', for: answer.promise, next: BLOCKED };
  await Promise.all(Array.from({ length: 10 }, (_, n) => send(n % 2 ? first : second)));
  await until('all others', () => sendoff.events('delivered').length === 10);
  expect(site.peer.connectionsSeen).toBe(knocks + 1);
  answer.resolve();
  await until('the canary', () => sendoff.events('delivered').length === 11);
  expect(new Set(sendoff.events('delivered').map(({ route }) => route))).toEqual(new Set(['provider']));
  const again = await sendoff.event('route-left');
  expect(Date.parse(String(again.until)) - Date.parse(String(left.until))).toBeGreaterThanOrEqual(6 * HOUR);
  expect(await delivered(sendoff, await send(second))).toBe('provider');

  // The block is over: the next one comes through, and all others follow.
  site.says = null;
  await sendoff.advanceTo(again.until);
  expect(await delivered(sendoff, await send(second))).toBe('direct');
  expect(await sendoff.event('route-back')).toMatchObject({
    route: 'direct',
    site: site.name,
    by: 'delivery',
  });
  for (const domain of [first, second]) expect(await delivered(sendoff, await send(domain))).toBe('direct');
  expect(await sendoff.settled()).toMatchObject({ accepted: 19, delivered: 19 });
}, 60_000);

test('a smarthost is left for all domains; a share of new mail tries it on; a policy without memory forgets', async () => {
  const sendoff = daemon();
  let says: Step = REFUSED;
  const first = await network().peer({ port: 0, script: { rcpt: () => says } });
  const { peer: second, routes } = await startProvider();
  const hosts = [`${first.address}:${first.port}`];
  const policy = (fallback: object): object => ({
    routes: { ...routes, first: { via: 'smarthost', hosts, tls: 'none' } },
    rules: [{ when: 'any', route: ['first', 'provider'], fallback: { on: 'any', ...fallback } }],
  });
  const send = (): Promise<string> => sendoff.send({ from: '', to: `ann@${network().name()}` });
  const inForce = async (fallback: object): Promise<void> =>
    expect(await sendoff.setPolicy({ ...policy(fallback) })).toEqual([]);
  const events = (event: string) => sendoff.events(event).filter(({ route }) => route === 'first');

  await inForce({ siteAfter: 2 });
  for (let n = 0; n < 3; n++) expect(await delivered(sendoff, await send())).toBe('provider');
  await until('the detour', () => events('route-left').length === 1);
  expect(events('route-left')).toMatchObject([{ site: null, class: 'content', messages: 2 }]);
  expect([first.connectionsSeen > 0, second.messages.length]).toEqual([true, 3]);

  // Each new message tries it now; the first that gets through brings it back.
  await inForce({ siteAfter: 2, canary: '100%' });
  const tried = async (id: string): Promise<unknown> => (await sendoff.about(id, 'attempt'))[0]?.route;
  expect(await tried(await send())).toBe('first');
  expect(events('route-back')).toEqual([]);
  says = null;
  expect(await delivered(sendoff, await send())).toBe('first');
  await until('the way back', () => events('route-back').length === 1);

  says = REFUSED;
  for (let n = 0; n < 2; n++) expect(await delivered(sendoff, await send())).toBe('provider');
  await until('the second detour', () => events('route-left').length === 2);
  await inForce({});
  await until('its end', () => events('route-back').length === 2);
  expect(events('route-back')).toMatchObject([{ by: 'delivery' }, { by: 'policy' }]);
});

test('greylisting, unknown users and lost answers move no site', async () => {
  const sendoff = daemon();
  const site = await startSite();
  const { routes } = await startProvider();
  const fallback = { on: 'any', after: 9, siteAfter: 2 };
  const rules = [{ when: 'any', route: ['direct', 'provider'], fallback }];
  expect(await sendoff.setPolicy({ routes, rules })).toEqual([]);
  const send = (domain: string): Promise<string> => sendoff.send({ from: '', to: `ann@${domain}` });
  for (const [says, event] of [
    ['550 5.1.1 User unknown', 'bounced'],
    ['450 4.7.1 Greylisted, come back later', 'deferred'],
  ] as const) {
    site.says = says;
    for (const domain of site.domains) await sendoff.about(await send(domain), event);
  }
  site.peer.setScript({ dot: { do: 'close' } });
  for (const domain of site.domains) {
    expect(await sendoff.about(await send(domain), 'attempt')).toMatchObject([{ result: 'in-doubt' }]);
  }
  expect(sendoff.events('route-left').filter((event) => event.site === site.name)).toEqual([]);
});
