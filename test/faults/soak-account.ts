// The account of the policy soak: what became of every recipient of every message that was answered 250.
// policy-soak.test.ts asks for it when the queue is empty.
// Never takes the daemon's word where a peer or a report can say it.
import { parseDsn } from '../harness/dsn.ts';
import type { LogLine } from '../harness/sendoff.ts';
import type { Peer, ReceivedMessage } from '../harness/smtp-peer.ts';
import { type RecipientKey, senderNumber } from './soak-moods.ts';
import type { Soak } from './soak-world.ts';

/** A message that was answered 250. */
export interface Sent {
  readonly n: number;
  readonly id: string;
  readonly from: string;
  readonly to: readonly string[];
}

const ARCHIVE = '@archive.example';
const OLD = /@(?:redirected|discarded)\.example$/;

/** How many copies are to come, by recipient: after redirects, discards and copies. */
function expectedOf({ n, from, to }: Sent): Map<RecipientKey, number> {
  const expected = new Map<RecipientKey, number>();
  for (const address of to) {
    if (address.endsWith('@discarded.example')) continue;
    expected.set(`${n} ${address.endsWith('@redirected.example') ? 'qa@three.example' : address}`, 1);
  }
  if (from.endsWith('@copied.senders.example')) expected.set(`${n} archive${ARCHIVE}`, 1);
  if (from.endsWith('@each.senders.example')) expected.set(`${n} each${ARCHIVE}`, to.length);
  return expected;
}

const numberIn = (text: string): string => /^Subject: message (\d+)\r?$/m.exec(text)?.[1] ?? 'none';

/** Copies by message and recipient. */
function copiesOf(peers: readonly Peer[]): Map<RecipientKey, number> {
  const counted = new Map<RecipientKey, number>();
  for (const { data, to } of peers.flatMap(({ messages }) => messages)) {
    const n = numberIn(data.toString('latin1'));
    for (const recipient of to) {
      const key = `${n} ${recipient}`;
      counted.set(key, (counted.get(key) ?? 0) + 1);
    }
  }
  return counted;
}

/** Recipients that reports say were given up. */
function reportedIn({ messages }: Peer): Set<RecipientKey> {
  const keys = messages.flatMap(({ data, from }) => {
    if (from !== '') throw new Error(`a report from <${from}>`);
    const { recipients, returned } = parseDsn(data);
    const n = numberIn(returned.content);
    return recipients
      .filter((fields) => fields.get('action') === 'failed')
      .map((fields) => `${n} ${fields.get('final-recipient')?.replace('rfc822;', '').trim()}`);
  });
  return new Set(keys);
}

const ENDS = new Set(['bounced', 'expired', 'removed']);

/** Recipients that the log says were given up or removed, and those that a copy may have reached unheard. */
function toldIn(log: readonly LogLine[], sent: readonly Sent[]) {
  const messages = new Map(sent.map((one) => [one.id, one]));
  const ended = new Set<RecipientKey>();
  const doubtful = new Set<RecipientKey>();
  for (const { event, id, to, result, inDoubt, reason } of log) {
    const message = messages.get(String(id));
    if (message === undefined) continue;
    const keys = typeof to === 'string' ? [`${message.n} ${to}`] : [...expectedOf(message).keys()];
    if (ENDS.has(String(event))) for (const key of keys) ended.add(key);
    const isDoubt = result === 'in-doubt' || inDoubt === true || /in doubt|final-dot/.test(String(reason));
    if (isDoubt) for (const key of keys) doubtful.add(key);
  }
  return { ended, doubtful };
}

export interface Account {
  /** Recipients of whom neither a peer nor a report nor the log knows. */
  readonly untold: readonly string[];
  /** Copies where none belong, or that are not as they should be. */
  readonly strange: readonly string[];
  /** Copies too many, or of what was reported as failed, that no doubt explains. */
  readonly extra: readonly string[];
}

export function accountOf({ moods, peers, disturbances }: Soak, sent: readonly Sent[]): Account {
  const { postbox, ...others } = peers;
  const copies = copiesOf(Object.values(others));
  const reported = reportedIn(postbox);
  const log = disturbances.daemons.flatMap((daemon) => daemon.log);
  const { ended, doubtful } = toldIn(log, sent);
  const expected = new Map(sent.flatMap((one) => [...expectedOf(one)]));
  const isMissing = ([key, count]: readonly [RecipientKey, number]): boolean =>
    (copies.get(key) ?? 0) < count && !reported.has(key) && !ended.has(key);
  const untold = [...expected].filter(isMissing).map(([key]) => key);
  const known = new Set(sent.map(({ n }) => String(n)));
  const extra = [...copies].filter(([key, count]) => {
    if (!known.has(key.split(' ')[0] ?? '') || moods.dropped.has(key) || doubtful.has(key)) return false;
    return count > (expected.get(key) ?? 0) || (reported.has(key) && !key.endsWith(ARCHIVE));
  });
  const messages = Object.values(others).flatMap((peer) => peer.messages);
  return { untold, strange: messages.flatMap(strangeIn), extra: extra.map(([key, n]) => `${n} of ${key}`) };
}

/** Mail at an address that was redirected or thrown away, and headers that are not as the rules want them. */
function strangeIn({ from, to, data }: ReceivedMessage): string[] {
  const [header = ''] = data.toString('latin1').split('\r\n\r\n');
  const isEdited = from.endsWith('@edited.senders.example');
  const isRight =
    (/^X-Relay: soak\r?$/m.test(header) === isEdited && /^X-Internal:/m.test(header) !== isEdited) ||
    from === '';
  const where = `${senderNumber(from)} at ${to.join(', ')}`;
  return [...(to.some((one) => OLD.test(one)) ? [where] : []), ...(isRight ? [] : [`${where}: ${header}`])];
}
