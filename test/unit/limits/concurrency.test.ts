// How many connections a receiver takes: grown by success, cut by trouble, remembered where it was refused.
import { describe, expect, test } from 'vitest';
import {
  allowedBeside,
  allowedOf,
  BEGINNING,
  type Concurrency,
  type ConcurrencyEvent,
  changed,
} from '../../../src/limits/concurrency.ts';
import { MINUTE } from '../queue/setting.ts';

const SECOND = 1000;
const START = 1_000_000;

/** A receiver that takes so many connections, and a sender that always has mail: each message takes a second. */
class Receiver {
  state: Concurrency = BEGINNING;
  now = START;
  open = 0;
  refusals: number[] = [];
  takes: number;
  readonly most: number;

  constructor(takes: number, most = 20) {
    this.takes = takes;
    this.most = most;
  }

  get allowed(): number {
    return allowedOf(this.state, this.most);
  }

  run(ms: number): void {
    for (const end = this.now + ms; this.now < end; this.now += SECOND) this.#second();
  }

  #second(): void {
    this.open = Math.min(this.open, this.allowed);
    while (this.open < this.allowed) {
      if (this.open < this.takes) {
        this.open++;
        this.tell({ kind: 'opened', open: this.open });
      } else {
        this.refusals.push(this.now);
        this.tell({ kind: 'turned-away', open: this.open });
      }
    }
    for (let n = 0; n < this.open; n++) this.tell({ kind: 'delivered', open: this.open });
  }

  tell(event: ConcurrencyEvent): void {
    this.state = changed(this.state, event, this.most, this.now);
  }
}

test('begins with five, or with the limit where that is lower', () => {
  expect([20, 5, 3, 1].map((most) => allowedOf(BEGINNING, most))).toEqual([5, 5, 3, 1]);
});

test('beside other daemons one more than theirs is allowed, unless the receiver has refused so many', () => {
  const beside = (state: Concurrency, others: number, now = START): number =>
    allowedBeside(state, 20, others, now);
  expect([0, 3, 5, 12, 20].map((others) => beside(BEGINNING, others))).toEqual([5, 5, 6, 13, 20]);
  const refused = changed(BEGINNING, { kind: 'turned-away', open: 4 }, 20, START);
  expect(beside(refused, 12)).toBe(4);
  expect(beside(refused, 12, START + 6 * MINUTE)).toBe(13);
});

test('grows with success to the limit, one more for as many deliveries as there are connections', () => {
  const receiver = new Receiver(100, 8);
  receiver.run(2 * SECOND);
  expect(receiver.allowed).toBe(6);
  receiver.run(MINUTE);
  expect(receiver.allowed).toBe(8);
});

test('does not grow while there is less to send than it may', () => {
  const state = changed(BEGINNING, { kind: 'delivered', open: 3 }, 20, START);
  expect(state).toEqual(BEGINNING);
});

describe('a receiver that refuses above seven', () => {
  test('settles at seven within two minutes, and is asked rarely for more', () => {
    const receiver = new Receiver(7);
    receiver.run(2 * MINUTE);
    expect(receiver.allowed).toBe(7);
    expect(receiver.refusals).toHaveLength(1);
    receiver.run(6 * 60 * MINUTE);
    expect(receiver.allowed).toBe(7);
    // After 5, 10, 20, 40 and 60 minutes, then every hour.
    expect(receiver.refusals.length).toBeGreaterThan(5);
    expect(receiver.refusals.length).toBeLessThan(13);
  });

  test('gets more as soon as a probe is let in', () => {
    const receiver = new Receiver(7);
    receiver.run(2 * MINUTE);
    receiver.takes = 15;
    receiver.run(10 * MINUTE);
    expect(receiver.allowed).toBe(15);
  });

  test('gets fewer when it refuses at fewer', () => {
    const receiver = new Receiver(7);
    receiver.run(2 * MINUTE);
    receiver.open = 3;
    receiver.takes = 3;
    receiver.run(MINUTE);
    expect(receiver.allowed).toBe(3);
  });
});

test('several refusals in one moment are one, and those let in meanwhile count', () => {
  const receiver = new Receiver(7);
  for (const open of [3, 4, 5]) receiver.tell({ kind: 'turned-away', open });
  expect(receiver.allowed).toBe(3);
  for (const open of [6, 7]) receiver.tell({ kind: 'opened', open });
  receiver.now += MINUTE;
  expect(receiver.state.ceiling).toMatchObject({ connections: 7, patience: 5 * MINUTE });
  receiver.open = 3;
  receiver.run(MINUTE);
  expect(receiver.allowed).toBe(7);
});

describe('trouble', () => {
  test('halves what is at work, once for all that failed in that moment', () => {
    const receiver = new Receiver(100);
    receiver.run(MINUTE);
    expect(receiver.allowed).toBe(20);
    for (const open of [20, 19, 18]) receiver.tell({ kind: 'trouble', open });
    expect(receiver.allowed).toBe(10);
    receiver.now += 11 * SECOND;
    receiver.tell({ kind: 'trouble', open: 4 });
    expect(receiver.allowed).toBe(2);
  });

  test('is a ceiling for a while: one less than where it happened', () => {
    const receiver = new Receiver(100);
    receiver.run(MINUTE);
    receiver.tell({ kind: 'trouble', open: 20 });
    receiver.run(4 * MINUTE);
    expect(receiver.allowed).toBe(19);
    receiver.run(2 * MINUTE);
    expect(receiver.allowed).toBe(20);
  });

  test('leaves one connection at least', () => {
    const receiver = new Receiver(1);
    for (let n = 0; n < 5; n++, receiver.now += MINUTE) receiver.tell({ kind: 'trouble', open: 0 });
    expect(receiver.allowed).toBe(1);
  });
});

test('whatever happens it stays between one and the limit', () => {
  const kinds = ['opened', 'delivered', 'turned-away', 'trouble'] as const;
  let seed = 7;
  const random = (below: number): number => {
    seed = (seed * 48_271) % 0x7fffffff;
    return seed % below;
  };
  const receiver = new Receiver(7, 12);
  for (let n = 0; n < 5_000; n++) {
    receiver.now += random(20) * SECOND;
    receiver.tell({ kind: kinds[random(4)] ?? 'opened', open: random(15) });
    expect(receiver.allowed).toBeGreaterThanOrEqual(1);
    expect(receiver.allowed).toBeLessThanOrEqual(12);
  }
});
