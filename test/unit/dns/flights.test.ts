// Equal questions are one, and each asker may leave alone.
import { expect, test } from 'vitest';
import { Flights } from '../../../src/dns/flights.ts';

/** Work that ends when the test says so, or is told to end. */
function work() {
  const runs: { signal: AbortSignal; land: (value: string) => void }[] = [];
  const start = (signal: AbortSignal) =>
    new Promise<string>((land) => {
      runs.push({ signal, land });
      signal.addEventListener('abort', () => land('aborted'));
    });
  return { runs, start };
}

test('one asks, all get the answer, and the next one asks anew', async () => {
  const { runs, start } = work();
  const flights = new Flights<string>();
  const asked = ['x', 'x', 'y'].map((key) => flights.join(key, undefined, 'left', start));
  expect(runs).toHaveLength(2);
  runs[0]?.land('for x');
  runs[1]?.land('for y');
  expect(await Promise.all(asked)).toEqual(['for x', 'for x', 'for y']);
  void flights.join('x', undefined, 'left', start);
  expect(runs).toHaveLength(3);
});

test('an asker who leaves does not spoil it for the other', async () => {
  const { runs, start } = work();
  const flights = new Flights<string>();
  const leaving = new AbortController();
  const one = flights.join('x', leaving.signal, 'left', start);
  const other = flights.join('x', undefined, 'left', start);
  leaving.abort();
  expect(await one).toBe('left');
  expect(runs[0]?.signal.aborted).toBe(false);
  runs[0]?.land('answer');
  expect(await other).toBe('answer');
});

test('when all have left the work is ended, and is nobody else’s', async () => {
  const { runs, start } = work();
  const flights = new Flights<string>();
  const leaving = new AbortController();
  const askers = [1, 2].map(() => flights.join('x', leaving.signal, 'left', start));
  leaving.abort();
  expect(await Promise.all(askers)).toEqual(['left', 'left']);
  expect(runs[0]?.signal.aborted).toBe(true);
  const later = flights.join('x', undefined, 'left', start);
  runs[1]?.land('answer');
  expect(await later).toBe('answer');
});

test('who left before asking starts nothing', async () => {
  const { runs, start } = work();
  expect(await new Flights<string>().join('x', AbortSignal.abort(), 'left', start)).toBe('left');
  expect(runs).toHaveLength(0);
});

test('close ends what is under way and lets nothing start', async () => {
  const { runs, start } = work();
  const flights = new Flights<string>();
  const asked = flights.join('x', undefined, 'left', start);
  flights.close();
  expect(await asked).toBe('aborted');
  expect(await flights.join('x', undefined, 'left', start)).toBe('left');
  expect(runs).toHaveLength(1);
});
