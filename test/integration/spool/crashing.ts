// A process that uses the spool in one folder and kills itself at a milestone.
// crash.test.ts starts it as `node crashing.ts FOLDER SCENARIO MILESTONE NTH` and looks at what is left.
// Never says more than it knows: a line on stdout is what the spool has acknowledged.
import { writeSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '../../../src/clock/clock.ts';
import type { QueueEntry } from '../../../src/queue/entry.ts';
import { openDiskSpool } from '../../../src/spool/disk.ts';
import type { NewMessage, Spool } from '../../../src/spool/spool.ts';

const [folder = '', scenario = '', milestone = '', nth = '1'] = process.argv.slice(2);
/** Long enough to fill a small segment with a few messages. */
const SIZE = 4000;
let left = Number(nth);

const spool = await openDiskSpool({
  folder: join(folder, 'spool'),
  minFree: 0,
  clock: systemClock,
  random: Math.random,
  segmentSize: 16_384,
  reached: (at) => {
    if (at === milestone && --left === 0) die();
  },
  onFatal: die,
});

const scenarios: Readonly<Record<string, () => Promise<void>>> = {
  open: async () => undefined,
  commit: async () => {
    for (;;) say((await spool.commit(mail(spool, 'mx example.com'))).id);
  },
  large: async () => {
    const added = mail(spool, 'mx example.com');
    for (let i = 0; i < 10; i++) await added.body.write(Buffer.alloc(65_536, i));
    await mail(spool, 'mx example.com').body.write(Buffer.alloc(600_000));
    say((await spool.commit(added)).id);
  },
  deliver: async () => {
    const claim = await claimOne();
    await spool.change({ remove: [claim], ended: { delivered: 1 } });
  },
  defer: async () => {
    const claim = await claimOne();
    await spool.change({ put: [{ ...claim, due: claim.due + 60_000, attempts: 1 }] });
  },
  bounce: async () => {
    const claim = await claimOne();
    const born = [mail(spool, 'mx example.org', 'dsn')];
    await spool.change({ remove: [claim], ended: { bounced: 1 }, born });
  },
  claim: async () => {
    await claimOne();
    die();
  },
  hang: async () => {
    await claimOne(false);
    die();
  },
  fill: async () => {
    // Past the limit a write fails with EFBIG instead of ending the process.
    process.on('SIGXFSZ', () => undefined);
    for (let i = 0; ; i++) {
      await spool.change({ notes: { [`note ${i}`]: 'x'.repeat(20_000) } });
      say(`note ${i}`);
    }
  },
  copy: async () => {
    const ids: string[] = [];
    for (let i = 0; i < 60; i++) ids.push((await spool.commit(mail(spool, 'mx example.com'))).id);
    for (const [index, id] of ids.entries()) {
      if (index % 6 === 0) say(id);
      else await spool.change({ remove: [{ id, seq: 0 }], ended: { delivered: 1 } });
    }
    for (;;) {
      const { id } = await spool.commit(mail(spool, 'mx example.com'));
      await spool.change({ remove: [{ id, seq: 0 }], ended: { delivered: 1 } });
    }
  },
};

await scenarios[scenario]?.();
await spool.close();

function die(): void {
  process.kill(process.pid, 'SIGKILL');
}

function say(line: string): void {
  writeSync(1, `${line}\n`);
}

/** Claims what there is, or a new message; with the dot sent unless told otherwise. */
async function claimOne(dot = true): Promise<QueueEntry> {
  if (spool.totals().queued === 0) say((await spool.commit(mail(spool, 'mx example.com'))).id);
  const claim = spool.claim('mx example.com', Date.now() + 1);
  if (claim === null) throw new Error('nothing is due');
  if (dot) claim.dotSent();
  return claim.entry;
}

function mail(to: Spool, destination: string, origin: 'client' | 'dsn' = 'client'): NewMessage {
  const id = to.newId();
  const now = Date.now();
  const body = to.receive();
  void body.write(Buffer.alloc(SIZE, id));
  const key = { id, seq: 0, destination, recipients: [0] };
  const state = { due: now, attempts: 0, routeAttempts: 0, expires: now + 1e6, warnings: 0, crashes: 0 };
  const message = { id, origin, arrived: now, from: 'from@example.org', eightBit: false };
  return {
    message: { ...message, recipients: ['to@example.com'] },
    entries: [{ ...key, ...state }],
    discarded: 0,
    body,
  };
}
