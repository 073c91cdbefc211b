// The failures that need no reply of a peer, and how a failure without one is put into words.
// hosts.ts, approach.ts, connection.ts and transaction.ts fail with these; classify.ts judges replies.
// Never permanent where the cause is unknown.
import type { Lost } from './channel.ts';
import type { Failure, Phase } from './failure.ts';

/** A failure but for its words and the host that it happened with. */
export type FailureKind = Omit<Failure, 'text' | 'phase'> & { readonly phase?: Phase };

const temporary = { permanent: false } as const;
const permanent = { permanent: true } as const;

/** Every way in which an attempt fails without a reply. */
export const failureKinds = {
  // The recipient domain.
  noSuchDomain: { ...permanent, scope: 'destination', class: 'dns', status: '5.1.2', phase: 'dns' },
  nullMx: { ...permanent, scope: 'destination', class: 'dns', status: '5.1.10', phase: 'dns' },
  badLiteral: { ...permanent, scope: 'destination', class: 'dns', status: '5.1.2', phase: 'dns' },
  loop: { ...permanent, scope: 'destination', class: 'dns', status: '5.4.6', phase: 'dns' },
  lookupFailed: { ...temporary, scope: 'destination', class: 'dns', status: '4.4.3', phase: 'dns' },
  // One of its hosts. Postfix and Exim say 5.4.4 too where a host has no address to go to.
  noAddress: { ...permanent, scope: 'host', class: 'dns', status: '5.4.4', phase: 'dns' },
  forbiddenAddress: { ...permanent, scope: 'host', class: 'dns', status: '5.4.4', phase: 'dns' },
  sourceUnfit: {
    ...temporary,
    scope: 'host',
    class: 'unreachable',
    status: '4.4.4',
    phase: 'connect',
    ours: true,
    sourceTrouble: 'unfit',
  },
  sourceMissing: {
    ...temporary,
    scope: 'host',
    class: 'unreachable',
    status: '4.4.4',
    phase: 'connect',
    ours: true,
    sourceTrouble: 'missing',
  },
  addressLookupFailed: { ...temporary, scope: 'host', class: 'dns', status: '4.4.3', phase: 'dns' },
  noConnection: { ...temporary, scope: 'host', class: 'unreachable', status: '4.4.1' },
  connectionLost: { ...temporary, scope: 'host', class: 'unreachable', status: '4.4.2' },
  garbage: { ...temporary, scope: 'host', class: 'protocol', status: '4.5.0' },
  noTls: { ...temporary, scope: 'host', class: 'tls', status: '4.7.5' },
  noLogin: { ...temporary, scope: 'host', class: 'auth', status: '4.7.8', phase: 'auth', ours: true },
  // The message.
  tooLarge: { ...permanent, scope: 'message', class: 'content', status: '5.3.4', phase: 'mail' },
  eightBit: { ...permanent, scope: 'message', class: 'content', status: '5.6.3', phase: 'mail' },
  noContent: {
    ...temporary,
    scope: 'message',
    class: 'unknown',
    status: '4.3.0',
    phase: 'local',
    ours: true,
  },
  // No host may be tried instead: the peer may have the message.
  lostAfterDot: {
    ...temporary,
    scope: 'message',
    class: 'unreachable',
    status: '4.4.2',
    phase: 'final-dot',
    inDoubt: true,
  },
  garbageAfterDot: {
    ...temporary,
    scope: 'message',
    class: 'protocol',
    status: '4.5.0',
    phase: 'final-dot',
    inDoubt: true,
  },
  // Ourselves.
  stopping: {
    ...temporary,
    scope: 'message',
    class: 'unreachable',
    status: '4.3.2',
    ours: true,
    aborted: true,
  },
  noHostsLeft: {
    ...temporary,
    scope: 'destination',
    class: 'unreachable',
    status: '4.4.4',
    phase: 'connect',
  },
} as const satisfies Readonly<Record<string, FailureKind>>;

/** System errors that mean our own machine or network, not the peer's. */
const ourErrors: ReadonlySet<string> = new Set([
  'ENETUNREACH',
  'ENETDOWN',
  'EADDRNOTAVAIL',
  'EACCES',
  'EPERM',
  'EMFILE',
  'ENFILE',
  'ENOBUFS',
]);

/** Whether a system error says that this machine has no such address to leave from. */
export function isMissingSource(code: string | undefined, syscall: string | undefined): boolean {
  return syscall === 'bind' && code === 'EADDRNOTAVAIL';
}

/** What a connection lost in the middle of a transaction means: doubt, once the dot is written. */
export function lossFailure({ cause, reason }: Lost, phase: Phase, dotWritten: boolean): Failure {
  const text = `${phase}: ${reason}`;
  const garbage = cause === 'garbage';
  if (dotWritten) {
    const kind = garbage ? failureKinds.garbageAfterDot : failureKinds.lostAfterDot;
    return cause === 'aborted' ? { ...kind, text, aborted: true } : { ...kind, text };
  }
  if (cause === 'aborted') return { ...failureKinds.stopping, phase, text };
  return { ...(garbage ? failureKinds.garbage : failureKinds.connectionLost), phase, text };
}

/** What trouble without a reply means before the first transaction. `code`: the system's name of it. */
export function openingFailure(phase: Phase, reason: string, code: string): Failure {
  const { noTls, noConnection, connectionLost } = failureKinds;
  const kind = phase === 'tls' ? noTls : phase === 'connect' ? noConnection : connectionLost;
  const failure: Failure = { ...kind, phase, text: `${phase}: ${reason}` };
  return ourErrors.has(code) ? { ...failure, ours: true } : failure;
}
