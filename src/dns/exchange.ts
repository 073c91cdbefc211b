// One question to one server: over UDP, then over TCP where UDP did not do.
// lookup.ts chooses the server and judges the reply; wire.ts turns questions and answers into bytes.
// Never leaves a socket or a timer behind, and never rejects.
import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { connect, isIPv6 } from 'node:net';
import type { Clock } from '../clock/clock.ts';
import type { Random } from '../clock/random.ts';
import type { Answer, Question, RecordOf, RecordType } from './question.ts';
import type { Server } from './servers.ts';
import { decodeAnswer, encodeQuestion } from './wire.ts';

/** What the server sent, or that it sent nothing. */
export type Reply<R> = Exclude<Answer<R>, { kind: 'truncated' }> | Silent;

interface Silent {
  readonly kind: 'silent';
  readonly reason: string;
}

export interface Timing {
  readonly clock: Clock;
  readonly random: Random;
}

/**
 * Milliseconds a server has over each transport: a recursive server finds nearly every answer within one
 * second, and a second try reaches another server or finds the answer in its cache.
 */
const TRY_TIMEOUT = 2_000;
/** Up to a quarter longer, so that hundreds of questions to a server that stopped do not come again in one moment. */
const SPREAD = 0.25;

/** Settles within four tries' time, or as soon as the signal aborts. */
export async function exchange<T extends RecordType>(
  server: Server,
  question: Question<T>,
  timing: Timing,
  signal: AbortSignal,
): Promise<Reply<RecordOf[T]>> {
  const reply = await askOnce(server, question, true, timing, signal);
  // RFC 6891 §7: a server that does not know EDNS0 answers like this, and is asked again without it.
  if (reply.kind === 'error' && EDNS_REFUSALS.includes(reply.reason))
    return askOnce(server, question, false, timing, signal);
  return reply;
}

const EDNS_REFUSALS = ['FORMERR', 'NOTIMP', 'BADVERS'];

/**
 * TCP follows on TC (RFC 7766 §5), and on a datagram that is not the answer: who forges datagrams can neither
 * make the question fail nor try for long.
 */
async function askOnce<T extends RecordType>(
  server: Server,
  question: Question<T>,
  edns: boolean,
  timing: Timing,
  signal: AbortSignal,
): Promise<Reply<RecordOf[T]>> {
  // Not of timing.random, which need not be hard to guess (RFC 5452 §9.2). The port is the kernel's choice.
  const id = randomInt(0x10000);
  const query = encodeQuestion(id, question, edns);
  const read = (bytes: Buffer): Answer<RecordOf[T]> => decodeAnswer(bytes, id, question);
  const over = (transport: Transport) =>
    untilSettled<Answer<RecordOf[T]>>(timing, signal, (settle) =>
      transport(
        server,
        query,
        (bytes) => settle(read(bytes)),
        (reason) => settle({ kind: 'silent', reason }),
      ),
    );

  const datagram = await over(udp);
  if (datagram.kind !== 'truncated' && datagram.kind !== 'unusable') return datagram;
  const stream = await over(tcp);
  if (stream.kind === 'truncated') return { kind: 'unusable', reason: 'truncated over TCP' };
  if (stream.kind !== 'silent') return stream;
  const first = datagram.kind === 'truncated' ? 'truncated answer' : datagram.reason;
  return { kind: 'unusable', reason: `${first}, over TCP: ${stream.reason}` };
}

/** Opens, sends, calls `received` with each message or `failed` when none can come; returns how to close. */
type Transport = (
  server: Server,
  query: Buffer,
  received: (bytes: Buffer) => void,
  failed: (reason: string) => void,
) => () => void;

/** A connected socket takes datagrams of this server only, and hears of a closed port at once. */
const udp: Transport = (server, query, received, failed) => {
  const socket = createSocket(isIPv6(server.address) ? 'udp6' : 'udp4');
  const send = (): void => socket.send(query);
  socket.on('message', received);
  socket.on('error', (error) => failed(error.message));
  socket.on('connect', send);
  socket.connect(server.port, server.address);
  return () => {
    socket.off('connect', send);
    socket.close();
  };
};

/** RFC 1035 §4.2.2: two octets of length before each message. */
const tcp: Transport = (server, query, received, failed) => {
  const socket = connect(server.port, server.address);
  const length = Buffer.alloc(2);
  length.writeUInt16BE(query.length);
  let pending = Buffer.alloc(0);
  socket.on('data', (chunk) => {
    pending = Buffer.concat([pending, chunk]);
    if (pending.length >= 2 && pending.length >= 2 + pending.readUInt16BE(0))
      received(pending.subarray(2, 2 + pending.readUInt16BE(0)));
  });
  socket.on('error', (error) => failed(error.message));
  socket.on('end', () => failed('connection closed without an answer'));
  socket.write(Buffer.concat([length, query]));
  return () => socket.destroy();
};

/**
 * The first of: what `open` settles on (later, never at once), the end of a try's time, an abort. Then what
 * was opened is closed.
 */
function untilSettled<R>(
  { clock, random }: Timing,
  signal: AbortSignal,
  open: (settle: (reply: R | Silent) => void) => () => void,
): Promise<R | Silent> {
  if (signal.aborted) return Promise.resolve({ kind: 'silent', reason: 'aborted' });
  return new Promise((resolve) => {
    let settled = false;
    const settle = (reply: R | Silent): void => {
      if (settled) return;
      settled = true;
      timer.cancel();
      signal.removeEventListener('abort', leave);
      close();
      resolve(reply);
    };
    const leave = (): void => settle({ kind: 'silent', reason: 'aborted' });
    const patience = Math.round(TRY_TIMEOUT * (1 + SPREAD * random()));
    const timer = clock.after(patience, () => settle({ kind: 'silent', reason: 'no answer in time' }));
    signal.addEventListener('abort', leave, { once: true });
    const close = open(settle);
  });
}
