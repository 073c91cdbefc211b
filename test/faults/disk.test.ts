// A disk without room and a disk that fails: what the client is told, and what is there afterwards.
// The daemon's file system is the real one until the test says that it is full or that its fsync fails.
// Never a 250 for what is not on disk, and nothing lost of what had one.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Sendoff } from '../harness/sendoff.ts';
import { SmtpClient, type SmtpReply } from '../harness/smtp-client.ts';
import { until } from '../harness/until.ts';
import { balanced, change, DOMAIN, mailOf, makeWorld, onceEach, send } from './world.ts';

const NOTHING = { accepted: 0, queued: 0 };

/** A client that has sent all of a message but its final dot; or what it was refused with before. */
async function beforeDot(sendoff: Sendoff, subject: string, octets = 0): Promise<SmtpClient | SmtpReply> {
  const client = await SmtpClient.ready({ port: sendoff.port });
  for (const line of ['MAIL FROM:<a@example.net>', `RCPT TO:<b@${DOMAIN}>`, 'DATA']) {
    await client.send(`${line}\r\n`);
    const reply = await client.reply();
    if (reply.code >= 400) return reply;
  }
  await client.send(mailOf(subject, octets));
  return client;
}

async function dot(client: SmtpClient | SmtpReply): Promise<SmtpReply> {
  if (!(client instanceof SmtpClient)) return client;
  await client.send('.\r\n');
  const reply = await client.reply();
  client.destroy();
  return reply;
}

/** The reply to the final dot, or the first refusal before it. */
async function offer(sendoff: Sendoff, subject: string, octets = 0): Promise<SmtpReply> {
  return dot(await beforeDot(sendoff, subject, octets));
}

const full = { code: 452, lines: [expect.stringMatching(/^4\.3\.1 /)] };

test('less room than spool.minFree: 452, nothing queued, /readyz red', async () => {
  const world = await makeWorld();
  const sendoff = await world.start({ settings: { spool: { minFree: '1000000GB' } } });
  expect(await offer(sendoff, 'too much')).toMatchObject(full);
  expect(balanced(await sendoff.books())).toMatchObject(NOTHING);
  await until('a red /readyz', async () => (await readiness(sendoff)).disk !== undefined);
  expect(await sendoff.stop()).toBe(0);
});

async function readiness(sendoff: Sendoff): Promise<Record<string, string>> {
  const answer = (await sendoff.api('/readyz')) as { trouble?: Record<string, string> };
  return answer.trouble ?? {};
}

test.each([
  { size: 'small', octets: 100 },
  { size: 'large', octets: 2_000_000 },
])(
  'a $size message to a disk that is full: 452, nothing queued, and 250 when there is room',
  async ({ octets }) => {
    const world = await makeWorld();
    const sendoff = await world.start();
    await send(sendoff, 'before');
    await sendoff.disk('full');
    expect(await offer(sendoff, 'refused', octets)).toMatchObject(full);
    expect(await offer(sendoff, 'refused again', octets)).toMatchObject(full);
    expect(balanced(await sendoff.settled())).toMatchObject({ accepted: 1, delivered: 1 });
    expect(readdirSync(join(world.folder, 'data/spool/large'))).toEqual([]);
    await sendoff.disk('well');
    expect(await offer(sendoff, 'afterwards', octets)).toMatchObject({ code: 250 });
    expect(balanced(await sendoff.settled())).toMatchObject({ accepted: 2, delivered: 2 });
    expect(onceEach(world.peer)).toEqual(['afterwards', 'before']);
    const second = await restarted(world, sendoff);
    expect(balanced(await second.books())).toMatchObject({ accepted: 2, delivered: 2, queued: 0 });
  },
);

async function restarted(world: Awaited<ReturnType<typeof makeWorld>>, sendoff: Sendoff): Promise<Sendoff> {
  expect(await sendoff.stop()).toBe(0);
  return world.start();
}

test('a bounce whose report finds no room waits for it, and is one bounce', async () => {
  const world = await makeWorld(
    {},
    { script: { rcpt: ({ line }) => (line.includes('nobody') ? '550 5.1.1 no' : null) } },
  );
  const sendoff = await world.start();
  const held = Promise.withResolvers<void>();
  world.peer.setScript({ rcpt: [{ do: 'wait', for: held.promise, next: '550 5.1.1 no such user' }] });
  await sendoff.send({ from: `a@${DOMAIN}`, to: `nobody@${DOMAIN}`, content: mailOf('refused') });
  await sendoff.disk('full');
  held.resolve();
  await until('the refusal', () => sendoff.log.find(({ msg }) => msg === 'an outcome could not be written'));
  expect(balanced(await sendoff.books())).toMatchObject({ accepted: 1, bounced: 0, queued: 1 });
  await sendoff.disk('well');
  await sendoff.advance(5_000);
  expect(balanced(await sendoff.settled())).toMatchObject({ accepted: 2, bounced: 1, delivered: 1 });
  expect(world.peer.messages.map(({ from, to }) => ({ from, to }))).toEqual([
    { from: '', to: [`a@${DOMAIN}`] },
  ]);
  expect(world.peer.commands.filter((line) => line.includes('RCPT TO:<nobody'))).toHaveLength(1);
});

test('a failed fsync: 451 to all that wait, exit 75, and nothing missing afterwards', async () => {
  const world = await makeWorld(
    {},
    { script: { rcpt: ({ line }) => (line.includes('later') ? '450 4.2.0 later' : null) } },
  );
  const first = await world.start();
  await send(first, 'delivered');
  await first.event('delivered');
  await send(first, 'waiting', `later@${DOMAIN}`);
  await first.event('deferred');
  const clients = await Promise.all(Array.from({ length: 5 }, (_, n) => beforeDot(first, `refused ${n}`)));
  await first.disk('fsync-fails');
  const replies = await Promise.all(clients.map(dot));
  for (const reply of replies) expect(reply.code).toBe(451);
  expect(await first.ended).toBe(75);
  await first.event('alarm', ({ alarm }) => alarm === 'spool-failed');
  world.peer.setScript({});
  const second = await world.start();
  expect(balanced(await second.books())).toMatchObject({ accepted: 2, delivered: 1, queued: 1 });
  await change(second, 'retry', { domain: DOMAIN });
  expect(balanced(await second.settled())).toMatchObject({ accepted: 2, delivered: 2 });
  expect(onceEach(world.peer)).toEqual(['delivered', 'waiting']);
});

test('a failed fsync of a large message: 451, exit 75', async () => {
  const world = await makeWorld();
  const sendoff = await world.start();
  await sendoff.disk('fsync-fails');
  expect(await offer(sendoff, 'large', 2_000_000)).toMatchObject({ code: 451 });
  expect(await sendoff.ended).toBe(75);
  const second = await world.start();
  expect(balanced(await second.books())).toMatchObject(NOTHING);
});

test('a disk that fails while a peer answers: the delivery is in doubt, one copy more', async () => {
  const answer = Promise.withResolvers<void>();
  const world = await makeWorld({}, { script: { dot: [{ do: 'wait', for: answer.promise }] } });
  const first = await world.start();
  await send(first, 'in delivery');
  await until('its transaction', () => world.peer.commands.some((line) => line.endsWith('DATA')));
  await first.disk('fsync-fails');
  expect(await offer(first, 'refused')).toMatchObject({ code: 451 });
  answer.resolve();
  expect(await first.ended).toBe(75);
  const second = await world.start();
  await until('the doubt in the log', () => second.log.find(({ inDoubt }) => inDoubt === true));
  expect(balanced(await second.settled())).toMatchObject({ accepted: 1, delivered: 1 });
  expect(onceEach(world.peer)).toEqual(['in delivery', 'in delivery']);
});
