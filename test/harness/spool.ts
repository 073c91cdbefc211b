// A disk spool in a folder of the test's own, and mail to put into it.
// Used by the spool's tests; every spool that is opened here is closed when the test ends.
// Never holds back an error of the spool: `onFatal` calls are kept for the test to see.
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { systemClock } from '../../src/clock/clock.ts';
import type { Milestone } from '../../src/clock/milestones.ts';
import type { Message } from '../../src/mail/envelope.ts';
import type { QueueEntry } from '../../src/queue/entry.ts';
import { type DiskSpoolOptions, openDiskSpool } from '../../src/spool/disk.ts';
import type { Body, NewMessage, Spool, Totals } from '../../src/spool/spool.ts';

export interface TestSpool {
  readonly spool: Spool;
  readonly reached: Milestone[];
  readonly fatal: Error[];
}

export async function openSpool(folder: string, options: Partial<DiskSpoolOptions> = {}): Promise<TestSpool> {
  const reached: Milestone[] = [];
  const fatal: Error[] = [];
  const spool = await openDiskSpool({
    folder: join(folder, 'spool'),
    minFree: 0,
    clock: systemClock,
    random: Math.random,
    reached: (milestone) => void reached.push(milestone),
    onFatal: (error) => void fatal.push(error),
    ...options,
  });
  onTestFinished(() => spool.close());
  return { spool, reached, fatal };
}

/** What a test says of a message; the rest is filled in. */
export interface Mail {
  readonly content?: Buffer;
  readonly recipients?: readonly string[];
  /** One entry for each destination, with as many recipients as it says. */
  readonly destinations?: Readonly<Record<string, number>>;
  readonly discarded?: number;
  readonly due?: number;
  readonly entry?: Partial<QueueEntry>;
  readonly message?: Partial<Message>;
}

export const DESTINATION = 'mx example.com';

export function mail(spool: Spool, given: Mail = {}): NewMessage {
  const id = spool.newId();
  const now = Date.now();
  const destinations = Object.entries(given.destinations ?? { [DESTINATION]: 1 });
  let next = 0;
  const entries = destinations.map(
    ([destination, count], seq): QueueEntry => ({
      id,
      seq,
      destination,
      recipients: Array.from({ length: count }, () => next++),
      due: given.due ?? now,
      attempts: 0,
      routeAttempts: 0,
      expires: now + 1_000_000,
      warnings: 0,
      crashes: 0,
      ...given.entry,
    }),
  );
  const discarded = given.discarded ?? 0;
  const recipients = Array.from({ length: next + discarded }, (_, index) => `to-${index}@example.com`);
  const body = spool.receive();
  void body.write(given.content ?? Buffer.from(`Subject: ${id}\r\n\r\nHello.\r\n`));
  const message = { id, origin: 'client', arrived: now, from: 'from@example.org', eightBit: false } as const;
  return { message: { ...message, recipients, ...given.message }, entries, discarded, body };
}

export async function contentOf(body: Body | undefined): Promise<Buffer> {
  if (body === undefined) throw new Error('there is no body');
  if (body.kind === 'buffer') return body.data;
  const chunks: Buffer[] = [];
  for await (const chunk of body.open()) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** Accepted less ended less queued: zero in balanced books. */
export function imbalance({ accepted, ended, queued }: Totals): number {
  const sum = (values: Readonly<Record<string, number>>) => Object.values(values).reduce((a, b) => a + b, 0);
  return sum(accepted) - sum(ended) - queued;
}
