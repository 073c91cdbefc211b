// Rules by site: whoever hosts a domain decides how its mail leaves, from the first message on.
import { beforeEach, expect, test } from 'vitest';
import { openLedger } from '../harness/ledger.ts';
import { networkForFile } from '../harness/network.ts';
import { type Sendoff, sendoffForFile } from '../harness/sendoff.ts';
import type { Peer } from '../harness/smtp-peer.ts';

const network = networkForFile();
const daemon = sendoffForFile(() => ({ dns: network().dns, mxPort: network().mxPort, policy: {} }));

const sites = { microsoft: { mx: ['*.mail.protection.outlook.com'] } };
const hosted = { name: 'hosted at Microsoft', when: { site: 'microsoft' }, route: 'provider' };

let provider: Peer;
let usual: Peer;

/** All mail but Microsoft's takes these routes. */
async function inForce(sendoff: Sendoff, route: string | string[]): Promise<void> {
  const through = ({ address, port }: Peer) => ({
    via: 'smarthost',
    hosts: [`${address}:${port}`],
    tls: 'none',
  });
  const routes = { provider: through(provider), usual: through(usual) };
  const rules = [hosted, { name: 'everything else', route }];
  expect(await sendoff.setPolicy({ routes, sites, rules })).toEqual([]);
}

/** A domain whose MX host has a name of Microsoft's, and listens where nobody does. */
function hostedDomain(): string {
  const domain = network().name();
  const host = `${domain.replace('.', '-')}.mail.protection.outlook.com`;
  network().dns.set(domain, { mx: [[0, host]] });
  network().dns.set(host, { a: [network().address()] });
  return domain;
}

const routeOf = async (sendoff: Sendoff, id: string): Promise<unknown> =>
  (await sendoff.about(id, 'delivered'))[0]?.route;

beforeEach(async () => {
  provider = await network().peer({ port: 0 });
  usual = await network().peer({ port: 0 });
});

test.each([
  { queued: 'for direct delivery', route: 'direct' },
  { queued: 'for another smarthost', route: 'usual' },
])(
  'all Microsoft-hosted domains by the provider, though their mail was queued $queued',
  async ({ route }) => {
    const sendoff = daemon();
    const ledger = await openLedger(sendoff);
    await inForce(sendoff, route);
    const domains = [hostedDomain(), hostedDomain()];
    const other = await network().receiver();
    for (const domain of domains) {
      const id = await sendoff.send({ from: '', to: `ann@${domain}` });
      expect(await routeOf(sendoff, id)).toBe('provider');
      expect(await sendoff.about(id, 'attempt')).toMatchObject([{ rule: 'hosted at Microsoft', attempt: 1 }]);
    }
    const id = await sendoff.send({ from: '', to: `ann@${other.domain}` });
    expect(await routeOf(sendoff, id)).toBe(route);
    // One message to all of them is divided.
    const all = [...domains, other.domain].map((domain) => `bob@${domain}`);
    const mixed = await sendoff.send({ from: '', to: all });
    const ends = await sendoff.about(mixed, 'delivered', 3);
    expect(new Map(ends.map((line) => [line.to, line.route]))).toEqual(
      new Map(all.map((to, i) => [to, i < 2 ? 'provider' : route])),
    );
    await ledger.shows({ accepted: 6, delivered: 6 });
  },
);

test('explain looks the site up, queue show knows it', async () => {
  const sendoff = daemon();
  await inForce(sendoff, 'direct');
  const [domain, other] = [hostedDomain(), network().name()];
  const explained = (to: string) => sendoff.api(`/api/explain?from=me@example.net&to=ann@${to}`);
  const known = { rule: 'hosted at Microsoft', present: { route: 'provider' } };
  expect(await explained(domain)).toMatchObject({
    ...known,
    trace: [{ matched: true, held: ['site is microsoft'], gave: ['route provider'] }],
  });
  expect(await explained(other)).toMatchObject({
    rule: 'everything else',
    trace: [{ matched: false, failed: 'site is microsoft' }, { matched: true }],
  });
  provider.setScript({ rcpt: '450 4.2.1 Busy' });
  const id = await sendoff.send({ from: '', to: `bob@${domain}` });
  await sendoff.about(id, 'deferred');
  expect(await sendoff.api(`/api/queue/${id}`)).toMatchObject({ decisions: [known] });
  await sendoff.change('remove', { id });
});

test('names that nobody answers for keep no other mail waiting, and theirs goes on without them', async () => {
  const sendoff = daemon();
  const ledger = await openLedger(sendoff);
  await inForce(sendoff, 'usual');
  const [silent, failing, other] = [network().name(), network().name(), network().receiver()];
  network().dns.set(silent, { drop: true });
  network().dns.set(failing, { rcode: 'SERVFAIL' });
  const waits = await sendoff.send({ from: '', to: `ann@${silent}` });
  const { domain } = await other;
  for (const to of [`ann@${failing}`, `bob@${domain}`, `ann@${hostedDomain()}`]) {
    const route = to.includes(domain) || to.includes(failing) ? 'usual' : 'provider';
    expect(await routeOf(sendoff, await sendoff.send({ from: '', to }))).toBe(route);
  }
  expect(sendoff.soFar(waits, 'attempt')).toEqual([]);
  await sendoff.advance(5_000);
  expect(await routeOf(sendoff, waits)).toBe('usual');
  await ledger.shows({ accepted: 4, delivered: 4 });
});
