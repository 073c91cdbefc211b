// How fast the disk spool is: durable commits, claims with their settlement, and long use in random order.
// Run by hand: `node bench/spool.ts [commits] [turnover] [resident] [destinations]`; prints one line for each measurement.
// Never measures the network or policy: messages go straight into the spool and out of it.
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../src/clock/clock.ts';
import type { QueueEntry } from '../src/queue/entry.ts';
import { openDiskSpool } from '../src/spool/disk.ts';
import type { Spool } from '../src/spool/spool.ts';

const COMMITS = Number(process.argv[2] ?? 20_000);
const TURNOVER = Number(process.argv[3] ?? 200_000);
const RESIDENT = Number(process.argv[4] ?? TURNOVER / 10);
const WRITERS = 200;
const SIZE = 4096;
const DESTINATIONS = Number(process.argv[5] ?? 200);
const content = Buffer.alloc(SIZE, 'Sendoff keeps mail.\r\n');

const folder = mkdtempSync(join(process.env.SENDOFF_BENCH_FOLDER ?? tmpdir(), 'sendoff-bench-'));
let spool = await open();
try {
  await commits(spool);
  await restart();
  await settlements(spool);
  await turnover(spool);
} finally {
  await spool.close();
  rmSync(folder, { recursive: true });
}

async function restart(): Promise<void> {
  await spool.close();
  const began = performance.now();
  spool = await open();
  const opened = performance.now() - began;
  const destinations = [...spool.stock()].length;
  const known = performance.now() - began;
  const { queued } = spool.totals();
  const line = `open after ${opened.toFixed(0)} ms, ${destinations} destinations known after ${known.toFixed(0)} ms`;
  print(`start with ${queued} queued`, line);
  const began2 = performance.now();
  let seen = 0;
  for (const _ of spool.scan(null)) seen++;
  print('scan', `${Math.round((seen / (performance.now() - began2)) * 1000)} entries/s, ${memory()}`);
  print(
    'index',
    `${Math.round(statSync(join(folder, 'spool/index/data.mdb')).size / queued)} octets a message`,
  );
}

function open(): Promise<Spool> {
  return openDiskSpool({
    folder: join(folder, 'spool'),
    minFree: 0,
    clock: systemClock,
    random: Math.random,
    reached: () => undefined,
    onFatal: (error) => {
      throw error;
    },
  });
}

function destinationOf(number: number): string {
  return `mx domain-${number % DESTINATIONS}.example`;
}

async function add(to: Spool, number: number): Promise<QueueEntry> {
  const id = to.newId();
  const now = Date.now();
  const body = to.receive();
  await body.write(Buffer.from(content));
  const entry: QueueEntry = {
    id,
    seq: 0,
    destination: destinationOf(number),
    recipients: [0],
    due: now,
    attempts: 0,
    routeAttempts: 0,
    expires: now + 432_000_000,
    warnings: 0,
    nextWarning: now + 14_400_000,
    crashes: 0,
  };
  await to.commit({
    message: {
      id,
      origin: 'client',
      arrived: now,
      from: 'sender@sending-host.example',
      recipients: [`recipient-${number}@domain-${number % DESTINATIONS}.example`],
      client: { address: '127.0.0.1', helo: 'application.example', listenerPort: 2525 },
      eightBit: false,
    },
    entries: [entry],
    discarded: 0,
    body,
  });
  return entry;
}

/** Runs `each` for 0 … count-1 on `WRITERS` lines at a time; resolves with the rate in a second. */
async function rate(count: number, each: (number: number) => Promise<void>): Promise<number> {
  const began = performance.now();
  let next = 0;
  const line = async (): Promise<void> => {
    while (next < count) await each(next++);
  };
  await Promise.all(Array.from({ length: WRITERS }, line));
  return (count / (performance.now() - began)) * 1000;
}

async function commits(to: Spool): Promise<void> {
  const cpu = process.cpuUsage();
  const speed = await rate(COMMITS, async (number) => void (await add(to, number)));
  const { user, system } = process.cpuUsage(cpu);
  print('durable commits of 4 KB', `${Math.round(speed)}/s, ${perMessage(user + system, COMMITS)} CPU each`);
  const began = performance.now();
  for (let i = 0; i < 100; i++) await add(to, i);
  print('one at a time', `${((performance.now() - began) / 100).toFixed(2)} ms each`);
}

async function settlements(to: Spool): Promise<void> {
  const count = to.totals().queued;
  let claiming = 0;
  const cpu = process.cpuUsage();
  const speed = await rate(count, async (number) => {
    const began = performance.now();
    const claim = take(to, number);
    claiming += performance.now() - began;
    if (claim === null) return;
    await claim.body();
    claim.dotSent();
    await to.change({ remove: [claim.entry], ended: { delivered: 1 } });
  });
  const { user, system } = process.cpuUsage(cpu);
  const each = `${((claiming / count) * 1000).toFixed(1)} µs a claim`;
  print('claim, body, settle', `${Math.round(speed)}/s, ${perMessage(user + system, count)} CPU, ${each}`);
  print('left', String(to.totals().queued));
}

/** The next due message, beginning with the destination of `number`. */
function take(from: Spool, number: number) {
  for (let i = 0; i < DESTINATIONS; i++) {
    const claim = from.claim(destinationOf(number + i), Date.now() + 1);
    if (claim !== null) return claim;
  }
  return null;
}

/** Replaces messages in random order while `RESIDENT` of them stay. */
async function turnover(to: Spool): Promise<void> {
  const resident: QueueEntry[] = [];
  await rate(RESIDENT, async (number) => void resident.push(await add(to, number)));
  const step = Math.ceil(TURNOVER / 10);
  for (let done = 0; done < TURNOVER; done += step) {
    const speed = await rate(step, async (number) => {
      const place = Math.floor(Math.random() * resident.length);
      const [old] = resident.splice(place, 1, resident.at(-1) as QueueEntry);
      resident.pop();
      if (old !== undefined) await to.change({ remove: [old], ended: { delivered: 1 } });
      resident.push(await add(to, number));
    });
    const times = (to.diskUsed() / (resident.length * SIZE)).toFixed(2);
    print(
      `in and out, ${done + step} done`,
      `${Math.round(speed)}/s, disk ${times} times what lives, ${memory()}`,
    );
  }
}

function perMessage(microseconds: number, count: number): string {
  return `${(microseconds / count).toFixed(0)} µs`;
}

function memory(): string {
  const anonymous = /RssAnon:\s+(\d+) kB/.exec(readFileSync('/proc/self/status', 'latin1'))?.[1] ?? '0';
  return `RssAnon ${Math.round(Number(anonymous) / 1024)} MB`;
}

function print(what: string, result: string): void {
  process.stdout.write(`${what.padEnd(32)} ${result}\n`);
}
