// Segments by themselves: where frames go, when a segment ends, and when it may go.
// Real files in a temporary folder; the transactions of the index are played by the test.
// Never leaves a descriptor open: what the spool closes is closed here too.
import { readdirSync } from 'node:fs';
import { expect, onTestFinished, test } from 'vitest';
import { systemFiles } from '../../../src/spool/files.ts';
import { FRAME_HEADER, type Frame } from '../../../src/spool/frames.ts';
import { type SegmentPlace, Segments } from '../../../src/spool/segments.ts';
import { SpoolError } from '../../../src/spool/spool.ts';
import { temporaryFolder } from '../../harness/folder.ts';

function open(folder: string, size = 1000): Segments {
  const segments = new Segments(systemFiles, folder, size, new Map(), 0);
  onTestFinished(() => segments.close());
  return segments;
}

function frame(id: string, size: number): Frame {
  const half = size >> 1;
  return { id, chunks: [Buffer.alloc(half, id), Buffer.alloc(size - half, id)], size };
}

/** As a transaction tells it: `live` octets more, the frames at `places` written. */
function commit(segments: Segments, places: readonly SegmentPlace[], live: Readonly<Record<number, number>>) {
  const numbers = new Set([...places.map(({ segment }) => segment), ...Object.keys(live).map(Number)]);
  const changes = [...numbers].map((number) => {
    const placed = places.filter(({ segment }) => segment === number).length;
    return [number, { live: live[number] ?? 0, end: 0, placed }] as const;
  });
  segments.committed(new Map(changes));
}

test('hold frames one after the other and give them back', async () => {
  const segments = open(temporaryFolder(), 10_000_000);
  const long = ['c', 'd', 'e', 'f', 'g', 'h'].map((id) => frame(id, 250_000));
  const frames = [frame('a', 10), frame('b', 0), ...long, frame('i', 7)];
  const places = await segments.append(frames);
  expect(places.slice(0, 4).map(({ offset }) => offset)).toEqual([0, 34, 58, 58 + FRAME_HEADER + 250_000]);
  for (const [index, { id, size, chunks }] of frames.entries()) {
    const content = await segments.read(places[index] as SegmentPlace, id, size);
    expect(content.equals(Buffer.concat(chunks))).toBe(true);
  }
});

test('do not give one message for another', async () => {
  const segments = open(temporaryFolder());
  const [place] = (await segments.append([frame('a', 10), frame('b', 10)])) as [SegmentPlace];
  await expect(segments.read(place, 'b', 10)).rejects.toThrow(SpoolError);
  await expect(segments.read(place, 'a', 9)).rejects.toThrow(SpoolError);
  await expect(segments.read({ ...place, offset: 5 }, 'a', 10)).rejects.toThrow(SpoolError);
  await expect(segments.read({ ...place, segment: 7 }, 'a', 10)).rejects.toThrow(SpoolError);
});

test('end at their size and go when nothing lives in them', async () => {
  const folder = temporaryFolder();
  const segments = open(folder);
  const first = await segments.append([frame('a', 800)]);
  commit(segments, first, { 1: 824 });
  const second = await segments.append([frame('b', 800)]);
  commit(segments, second, { 2: 824 });
  expect(readdirSync(folder)).toEqual(['00000001', '00000002']);
  expect(segments.usage()).toEqual({ used: 1648, live: 1648 });
  commit(segments, [], { 1: -824 });
  await expect.poll(() => segments.takeGone()).toEqual([1]);
  expect(readdirSync(folder)).toEqual(['00000002']);
  expect(segments.takeGone()).toEqual([]);
  commit(segments, [], { 2: -824 });
  expect(segments.usage()).toEqual({ used: 824, live: 0 });
});

test('stay while a transaction of theirs is under way or they are copied', async () => {
  const segments = open(temporaryFolder());
  const first = await segments.append([frame('a', 900)]);
  commit(segments, await segments.append([frame('b', 900)]), { 2: 924 });
  expect(segments.emptiest(() => true)).toBeNull();
  commit(segments, first, { 1: 924 });
  expect(segments.emptiest(() => true)).toMatchObject({ number: 1 });
  expect(segments.emptiest((number) => number !== 1)).toBeNull();
  const release = segments.hold(1);
  commit(segments, [], { 1: -924 });
  expect(segments.usage().used).toBe(1848);
  release();
  expect(segments.usage().used).toBe(924);
});

test('are readable to the last, also while they go', async () => {
  const folder = temporaryFolder();
  const segments = open(folder);
  const places = await segments.append([frame('a', 900)]);
  commit(segments, places, { 1: 924 });
  commit(segments, await segments.append([frame('b', 900)]), { 2: 924 });
  const reading = segments.read(places[0] as SegmentPlace, 'a', 900);
  commit(segments, [], { 1: -924 });
  expect((await reading).equals(Buffer.alloc(900, 'a'))).toBe(true);
  await expect(segments.read(places[0] as SegmentPlace, 'a', 900)).rejects.toThrow(SpoolError);
});
