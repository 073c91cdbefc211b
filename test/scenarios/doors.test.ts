// What fails for all waits for all: closed doors, their probes, and restarts.
import { expect, test } from 'vitest';
import { openLedger } from '../harness/ledger.ts';
import { networkForFile } from '../harness/network.ts';
import { type Sendoff, sendoffForFile, startSendoff } from '../harness/sendoff.ts';
import { dropRecorded, type Step } from '../harness/smtp-peer.ts';
import { until } from '../harness/until.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const policy = {
  rules: [{ when: { to: '*.short.test' }, route: 'direct', retry: { after: '10m', expire: '1h', warn: [] } }],
};

const network = networkForFile();
const daemon = sendoffForFile(() => ({ dns: network().dns, mxPort: network().mxPort }));

test('50 messages behind a closed door: one probe, no attempt charged to the others, then all go', async () => {
  const sendoff = daemon();
  const ledger = await openLedger(sendoff);
  const domain = network().name();
  const address = network().address();
  network().domain(domain, address);
  const send = (): Promise<string> => sendoff.send({ from: '', to: `ann@${domain}` });
  const first = await send();
  await sendoff.about(first, 'deferred');
  const others = await Promise.all(Array.from({ length: 49 }, send));
  for (const nth of [1, 2]) {
    await sendoff.advanceTo(await nextProbe(sendoff, domain));
    await until('another failed probe', async () => (await door(sendoff, domain)).failures > nth);
  }
  await ledger.shows({ accepted: 50, queued: 50 });
  await until('three attempts in all', async () => (await attemptsAt(sendoff, domain)) === 3);

  const peer = await network().peer({ address });
  await sendoff.advanceTo(await nextProbe(sendoff, domain));
  // Those that were a probe have a time of their own.
  await until('the others to go', async () => (await sendoff.books()).queued <= 3);
  await sendoff.advance(HOUR);
  await ledger.shows({ accepted: 50, delivered: 50 });
  expect(peer.messages).toHaveLength(50);
  const attempts = sendoff.events('attempt').filter(({ id }) => others.includes(String(id)));
  expect(Math.max(...attempts.map(({ attempt }) => Number(attempt)))).toBeLessThanOrEqual(2);
});

test('a host that hangs up after every dot gets one message, not the whole queue', async () => {
  const sendoff = daemon();
  const ledger = await openLedger(sendoff);
  const domain = network().name();
  const address = network().address();
  network().domain(domain, address);
  const send = (): Promise<string> => sendoff.send({ from: '', to: `ann@${domain}` });
  const first = await send();
  await sendoff.about(first, 'deferred');
  await Promise.all(Array.from({ length: 19 }, send));

  const peer = await network().peer({ address, script: { dot: () => dropRecorded } });
  await sendoff.advanceTo(await nextProbe(sendoff, domain));
  await until('the door to close again', async () => (await door(sendoff, domain)).failures > 1);
  expect(peer.messages).toHaveLength(1);

  peer.setScript({});
  await sendoff.advanceTo(await nextProbe(sendoff, domain));
  // The one in doubt waits ten minutes.
  await sendoff.advance(HOUR);
  await ledger.shows({ accepted: 20, delivered: 20 });
  expect(peer.messages).toHaveLength(21);
});

async function attemptsAt(sendoff: Sendoff, domain: string): Promise<number> {
  const { entries } = (await sendoff.api(`/api/queue?domain=${domain}`)) as {
    entries: { attempts: number }[];
  };
  return entries.reduce((sum, { attempts }) => sum + attempts, 0);
}

interface Door {
  readonly domain: string | null;
  readonly state: string;
  readonly failures: number;
  readonly next: string;
}

async function door(sendoff: Sendoff, domain: string): Promise<Door> {
  const { destinations } = (await sendoff.api('/api/destinations')) as { destinations: Door[] };
  const found = destinations.find((destination) => destination.domain === domain);
  if (!found) throw new Error(`${domain} is no destination`);
  return found;
}

async function nextProbe(sendoff: Sendoff, domain: string): Promise<string> {
  return (await door(sendoff, domain)).next;
}

const hanging: Step = { do: 'hang' };

test('a stop keeps closed doors closed, also while a probe hangs; a long one costs nobody the last attempt', async () => {
  const { dns, mxPort } = network();
  const { peer, domain } = await network().receiver({}, 'short.test');
  peer.setScript({ greeting: [{ do: 'close' }, hanging, hanging] });
  const sendoff = await startSendoff({ dns, mxPort, policy });
  const id = await sendoff.send({ from: network().sender(), to: `ann@${domain}` });
  await sendoff.about(id, 'deferred');
  const before = await door(sendoff, domain);
  expect(before).toMatchObject({ state: 'backing-off', failures: 1 });
  await sendoff.advanceTo(before.next);
  await until('a probe', () => peer.connectionsSeen === 2);
  const ahead = sendoff.now - Date.now();
  await sendoff.stop();
  expect(sendoff.soFar(id, 'deferred')).toHaveLength(2);

  const { folder } = sendoff;
  const again = await startSendoff({ dns, mxPort, policy, folder, offset: ahead - 5 * MINUTE });
  expect(await door(again, domain)).toMatchObject({ state: 'backing-off', failures: 1 });
  await again.stop();
  expect(peer.connectionsSeen).toBe(2);

  peer.setScript({});
  const late = await startSendoff({ dns, mxPort, policy, folder, offset: 2 * DAY });
  expect(await late.settled()).toMatchObject({ accepted: 1, delivered: 1, queued: 0 });
});
