// The content of a message and its final dot, on their way to the peer.
// transaction.ts calls it after 354 and reads the reply.
// Never writes the dot after content that is not whole.
import type { Clock } from '../clock/clock.ts';
import type { Body } from '../spool/spool.ts';
import type { Channel, Lost } from './channel.ts';
import { deadlines } from './deadlines.ts';
import { DotStuffing } from './stuffing.ts';

/** One write's worth, and what may wait in memory: a slow peer must show progress on it in `deadlines.body`. */
const BLOCK = 64 * 1024;

export interface Unreadable {
  readonly kind: 'unreadable';
  readonly reason: string;
}

/** Null when everything is written. `beforeDot` is called right before the write that ends in the dot. */
export async function sendContent(
  body: Body,
  channel: Channel,
  clock: Clock,
  beforeDot: () => void,
): Promise<Unreadable | Lost | null> {
  const stuffing = new DotStuffing();
  if (body.kind === 'buffer' && body.data.length <= BLOCK) {
    const content = stuffing.push(body.data);
    beforeDot();
    channel.write(content, finalDot(stuffing));
    return null;
  }
  const trouble = await sendBlocks(body, channel, clock, stuffing);
  if (trouble) return trouble;
  beforeDot();
  channel.write(finalDot(stuffing));
  return null;
}

/** RFC 5321 §4.1.1.4: CRLF.CRLF, whose first CRLF is the end of the last line. */
function finalDot(stuffing: DotStuffing): string {
  return stuffing.atLineStart ? '.\r\n' : '\r\n.\r\n';
}

/** Everything but the dot; at the end nothing waits, so that doubt begins with the dot itself. */
async function sendBlocks(
  body: Body,
  channel: Channel,
  clock: Clock,
  stuffing: DotStuffing,
): Promise<Unreadable | Lost | null> {
  const source = blocksOf(body);
  try {
    for (;;) {
      const next = await within(clock, deadlines.body, source.blocks.next());
      if (next.done) break;
      channel.write(stuffing.push(next.value));
      const lost = await channel.flushed(BLOCK, deadlines.body);
      if (lost) return lost;
    }
  } catch (error) {
    // The peer waits for a dot that must not come.
    channel.abort('the content cannot be read');
    return { kind: 'unreadable', reason: `the content cannot be read: ${String(error)}` };
  } finally {
    source.destroy();
  }
  return channel.flushed(0, deadlines.body);
}

function blocksOf(body: Body): { readonly blocks: AsyncIterator<Buffer>; destroy(): void } {
  if (body.kind === 'buffer') return { blocks: slices(body.data), destroy: () => undefined };
  const stream = body.open();
  return { blocks: stream[Symbol.asyncIterator](), destroy: () => stream.destroy() };
}

async function* slices(data: Buffer): AsyncGenerator<Buffer> {
  for (let at = 0; at < data.length; at += BLOCK) yield data.subarray(at, at + BLOCK);
}

/** A disk that does not answer must not hold a connection for ever. */
function within<T>(clock: Clock, limit: number, promise: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = clock.after(limit, () => reject(new Error(`nothing read within ${limit / 1000} s`)));
    promise.then(resolve, reject).finally(() => timer.cancel());
  });
}
