// Messages and entries as the index stores them: tuples without field names, a third of the size.
// store.ts writes and reads them; everything else knows only Message and QueueEntry.
// Never changes the meaning of a position: a new field goes to the end, or the format's number goes up.
import type { Failure, FailureClass, FailureScope, Phase } from '../delivery/failure.ts';
import type { Client, MailHeader, Message, Origin } from '../mail/envelope.ts';
import type { HeaderEdit } from '../mail/header-edit.ts';
import type { AttemptDecision, Doubt, EntryKey, Hold, QueueEntry } from '../queue/entry.ts';

/** Where content stands: at an offset of a segment, or in a file of its own named by the id. */
export type Place =
  | { readonly kind: 'segment'; readonly segment: number; readonly offset: number }
  | { readonly kind: 'large' };

/** A message with what only the spool needs to know about it. */
export interface StoredMessage {
  readonly message: Message;
  readonly place: Place;
  /** Recipients that were queued at first, and those that ended at once: what a withdrawal undoes. */
  readonly queued: number;
  readonly discarded: number;
}

const ORIGINS: readonly Origin[] = ['client', 'dsn', 'notice'];
const LARGE = -1;

type ClientTuple = [address: string, helo: string, port: number, user: string | null];
export type MessageTuple = [
  origin: number,
  arrived: number,
  from: string,
  recipients: readonly string[],
  client: ClientTuple | null,
  size: number,
  eightBit: boolean,
  routeOverride: string | null,
  segment: number,
  offset: number,
  queued: number,
  discarded: number,
  /** Not there in messages that were written before there was such a thing. */
  header?: MailHeader | null,
];

export function packMessage(stored: StoredMessage): MessageTuple {
  const { message, place } = stored;
  const { client } = message;
  return [
    ORIGINS.indexOf(message.origin),
    message.arrived,
    message.from,
    message.recipients,
    client ? [client.address, client.helo, client.listenerPort, client.user ?? null] : null,
    message.size,
    message.eightBit,
    message.routeOverride ?? null,
    place.kind === 'segment' ? place.segment : LARGE,
    place.kind === 'segment' ? place.offset : 0,
    stored.queued,
    stored.discarded,
    message.header ?? null,
  ];
}

export function unpackMessage(id: string, tuple: MessageTuple): StoredMessage {
  const header = tuple[12] ?? null;
  const [origin, arrived, from, recipients, client, size, eightBit, routeOverride, segment, offset] = tuple;
  return {
    message: {
      id,
      origin: ORIGINS[origin] ?? 'client',
      arrived,
      from,
      recipients,
      size,
      eightBit,
      ...(client ? { client: unpackClient(client) } : {}),
      ...(routeOverride === null ? {} : { routeOverride }),
      ...(header === null ? {} : { header }),
    },
    place: segment === LARGE ? { kind: 'large' } : { kind: 'segment', segment, offset },
    queued: tuple[10],
    discarded: tuple[11],
  };
}

function unpackClient([address, helo, listenerPort, user]: ClientTuple): Client {
  return { address, helo, listenerPort, ...(user === null ? {} : { user }) };
}

type FailureTuple = [
  scope: FailureScope,
  permanent: boolean,
  failureClass: FailureClass,
  status: string,
  phase: Phase,
  text: string,
  reply: string | null,
  host: string | null,
  ip: string | null,
  flags: number,
  /** Not there in failures that were written before there was such a thing. */
  retryAfter?: number | null,
];
const OURS = 1;
const IN_DOUBT = 2;
const ABORTED = 4;
const SOURCE_MISSING = 8;
const SOURCE_UNFIT = 16;

function packFailure(failure: Failure): FailureTuple {
  const flags =
    (failure.ours ? OURS : 0) |
    (failure.inDoubt ? IN_DOUBT : 0) |
    (failure.aborted ? ABORTED : 0) |
    (failure.sourceTrouble === 'missing' ? SOURCE_MISSING : 0) |
    (failure.sourceTrouble === 'unfit' ? SOURCE_UNFIT : 0);
  return [
    failure.scope,
    failure.permanent,
    failure.class,
    failure.status,
    failure.phase,
    failure.text,
    failure.reply ?? null,
    failure.host ?? null,
    failure.ip ?? null,
    flags,
    failure.retryAfter ?? null,
  ];
}

function unpackFailure(tuple: FailureTuple): Failure {
  const [scope, permanent, failureClass, status, phase, text, reply, host, ip, flags, retryAfter = null] =
    tuple;
  return {
    scope,
    permanent,
    class: failureClass,
    status,
    phase,
    text,
    ...(reply === null ? {} : { reply }),
    ...(retryAfter === null ? {} : { retryAfter }),
    ...(host === null ? {} : { host }),
    ...(ip === null ? {} : { ip }),
    ...(flags & OURS ? { ours: true } : {}),
    ...(flags & IN_DOUBT ? { inDoubt: true } : {}),
    ...(flags & ABORTED ? { aborted: true } : {}),
    ...(flags & SOURCE_MISSING ? { sourceTrouble: 'missing' } : {}),
    ...(flags & SOURCE_UNFIT ? { sourceTrouble: 'unfit' } : {}),
  };
}

export type EntryTuple = [
  destination: string,
  recipients: readonly number[],
  due: number,
  attempts: number,
  routeAttempts: number,
  expires: number,
  warnings: number,
  crashes: number,
  lastAttempt: number | null,
  nextWarning: number | null,
  last: FailureTuple | null,
  doubt: [count: number, since: number, cause: Doubt['cause']] | null,
  hold: [reason: string, since: number, by: Hold['by']] | null,
  /** From here on not there in entries that were written before there were such things. */
  routeOverride?: string | null,
  routeReason?: string | null,
  decisions?: readonly DecisionTuple[],
  priority?: NonNullable<QueueEntry['priority']> | null,
  tags?: readonly string[] | null,
  edit?: EditTuple | null,
  quiet?: boolean,
  ready?: number | null,
  quotaWaived?: boolean,
  avoids?: readonly string[] | null,
  released?: boolean,
];

type EditTuple = readonly [
  added: readonly (readonly [name: string, value: string])[],
  removed: readonly string[],
];

type DecisionTuple = readonly [at: number, rule: string, route: string, reason: string, source?: string];

export function packEntry(entry: QueueEntry): EntryTuple {
  const { doubt, hold, last } = entry;
  return [
    entry.destination,
    entry.recipients,
    entry.due,
    entry.attempts,
    entry.routeAttempts,
    entry.expires,
    entry.warnings,
    entry.crashes,
    entry.lastAttempt ?? null,
    entry.nextWarning ?? null,
    last ? packFailure(last) : null,
    doubt ? [doubt.count, doubt.since, doubt.cause] : null,
    hold ? [hold.reason, hold.since, hold.by] : null,
    entry.routeOverride ?? null,
    entry.routeReason ?? null,
    (entry.decisions ?? []).map(packDecision),
    entry.priority ?? null,
    entry.tags ?? null,
    entry.edit ? packEdit(entry.edit) : null,
    entry.quiet ?? false,
    entry.ready ?? null,
    entry.quotaWaived ?? false,
    entry.avoids ?? null,
    entry.released ?? false,
  ];
}

export function unpackEntry({ id, seq }: EntryKey, tuple: EntryTuple): QueueEntry {
  const [destination, recipients, due, attempts, routeAttempts, expires, warnings, crashes] = tuple;
  const [, , , , , , , , lastAttempt, nextWarning, last, doubt, hold, ...late] = tuple;
  const [routeOverride = null, routeReason = null, decisions = [], priority = null, ...later] = late;
  const [tags = null, edit = null, quiet = false, ready = null, quotaWaived = false, ...latest] = later;
  const [avoids = null, released = false] = latest;
  return {
    id,
    seq,
    destination,
    recipients,
    due,
    attempts,
    routeAttempts,
    expires,
    warnings,
    crashes,
    ...(lastAttempt === null ? {} : { lastAttempt }),
    ...(nextWarning === null ? {} : { nextWarning }),
    ...(last === null ? {} : { last: unpackFailure(last) }),
    ...(doubt === null ? {} : { doubt: { count: doubt[0], since: doubt[1], cause: doubt[2] } }),
    ...(hold === null ? {} : { hold: { reason: hold[0], since: hold[1], by: hold[2] } }),
    ...(routeOverride === null ? {} : { routeOverride }),
    ...(routeReason === null ? {} : { routeReason }),
    ...(decisions.length === 0 ? {} : { decisions: decisions.map(unpackDecision) }),
    ...(priority === null ? {} : { priority }),
    ...(tags === null ? {} : { tags }),
    ...(edit === null ? {} : { edit: unpackEdit(edit) }),
    ...(quiet ? { quiet } : {}),
    ...(ready === null ? {} : { ready }),
    ...(quotaWaived ? { quotaWaived } : {}),
    ...(avoids === null ? {} : { avoids }),
    ...(released ? { released } : {}),
  };
}

function packEdit({ add, remove }: HeaderEdit): EditTuple {
  return [add.map(({ name, value }) => [name, value] as const), remove];
}

function unpackEdit([added, remove]: EditTuple): HeaderEdit {
  return { add: added.map(([name, value]) => ({ name, value })), remove };
}

function packDecision({ at, rule, route, source, reason }: AttemptDecision): DecisionTuple {
  return source === undefined ? [at, rule, route, reason] : [at, rule, route, reason, source];
}

function unpackDecision([at, rule, route, reason, source]: DecisionTuple): AttemptDecision {
  return { at, rule, route, ...(source !== undefined && { source }), reason };
}
