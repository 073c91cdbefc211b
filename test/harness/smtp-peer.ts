// A scripted SMTP server: the receiving side of every delivery test, on real sockets.
// Tests start one for each MX or smarthost and read what it got; smtp-dialogue.ts speaks for it.
// Never left running: a peer ends with the test that started it.
import { once } from 'node:events';
import net from 'node:net';
import tls from 'node:tls';
import { onTestFinished } from 'vitest';
import { authority, type CertificateKind, certificateFor } from './certificates.ts';
import { SmtpDialogue } from './smtp-dialogue.ts';
import { until } from './until.ts';

/** What the peer does when a command (or the greeting, or the dot) is due to be answered. */
export type Step =
  /** What it would do without a script. */
  | null
  /** Exactly this reply; `\n` separates its lines. Anything goes: garbage is garbage. */
  | string
  | { readonly do: 'hang'; readonly record?: boolean }
  /** Ends the connection, after a last reply if there is one. `record` keeps the message (dot only). */
  | { readonly do: 'close'; readonly reply?: string; readonly record?: boolean }
  /** A TCP reset. */
  | { readonly do: 'reset'; readonly record?: boolean }
  /** The reply in pieces of `octets`, one each `every` ms. */
  | { readonly do: 'slow'; readonly reply: string; readonly octets: number; readonly every: number }
  /** Waits for the test, then goes on with another step. */
  | { readonly do: 'wait'; readonly for: Promise<unknown>; readonly next?: Step };

export const hang: Step = { do: 'hang' };
export const close: Step = { do: 'close' };
export const reset: Step = { do: 'reset' };
/** For the dot: the message is kept, the reply never comes. */
export const dropRecorded: Step = { do: 'close', record: true };

/** Points at which a script may step in. `body` is the first octets after 354. */
export type Point =
  | 'greeting'
  | 'ehlo'
  | 'helo'
  | 'starttls'
  | 'auth'
  | 'mail'
  | 'rcpt'
  | 'data'
  | 'body'
  | 'dot'
  | 'rset'
  | 'noop'
  | 'quit';

export interface Call {
  /** The command as it came, without CRLF; `''` for the greeting, the body and the dot. */
  readonly line: string;
  /** 1 for the first call of this point since the peer started. */
  readonly count: number;
  /** 1 for the first connection since the peer started. */
  readonly connection: number;
  /** The transaction so far. */
  readonly from: string | null;
  readonly to: readonly string[];
}

/** One step for each call, a list that is used up (then the default), or a function. */
export type Script = Readonly<Partial<Record<Point, Step | readonly Step[] | ((call: Call) => Step)>>>;

export interface PeerTls {
  /** `starttls` is offered in EHLO; `implicit` begins with the handshake. */
  readonly mode: 'starttls' | 'implicit';
  readonly certificate?: CertificateKind;
  /** Names in the certificate; default: the peer's hostname and address. */
  readonly names?: readonly [string, ...string[]];
  /** `broken`: answers the client's hello with plain text. `hang`: never answers it. */
  readonly handshake?: 'broken' | 'hang';
}

export interface PeerOptions {
  /** Loopback address of its own, so that several peers share a port. Default 127.0.0.1. */
  readonly address?: string;
  /** Default: any free one. */
  readonly port?: number;
  readonly hostname?: string;
  readonly script?: Script;
  /** EHLO keywords besides STARTTLS and AUTH. */
  readonly extensions?: readonly string[];
  readonly tls?: PeerTls;
  readonly auth?: {
    readonly user: string;
    readonly password?: string;
    /** Access tokens that are good (XOAUTH2, OAUTHBEARER). */
    readonly accepts?: (token: string) => boolean;
    readonly mechanisms?: readonly string[];
  };
  /** RCPT above it: 452 4.5.3. */
  readonly maxRecipients?: number;
  /** Connections above it, at a time: 421 4.7.0. */
  readonly maxConnections?: number;
  /** Messages above it on one connection: 421 at MAIL, and the end. */
  readonly maxMessages?: number;
  /** Milliseconds without a command after which the connection is closed without a word. */
  readonly idleTimeout?: number;
  /** False: only the size of messages is kept. */
  readonly keepData?: boolean;
}

export interface ReceivedMessage {
  readonly from: string;
  readonly to: readonly string[];
  /** Without dot-stuffing and final dot. */
  readonly data: Buffer;
  readonly size: number;
  readonly helo: string;
  /** MAIL parameters as they came: `SIZE=12 BODY=8BITMIME`. */
  readonly parameters: string;
  /** `TLSv1.3`, or null. */
  readonly tls: string | null;
  /** The name that the client asked for in the handshake (SNI). */
  readonly serverName: string | null;
  readonly authUser: string | null;
  readonly connection: number;
  readonly clientAddress: string;
}

export interface Peer {
  readonly address: string;
  readonly port: number;
  readonly hostname: string;
  /** Messages that were answered 2xx, or recorded by a step. */
  readonly messages: readonly ReceivedMessage[];
  /** All commands, `3 MAIL FROM:<a@b>` for the third connection. */
  readonly commands: readonly string[];
  /** What a client should not have done: pipelining that was not offered, a bare LF, … */
  readonly violations: readonly string[];
  readonly connectionsOpen: number;
  readonly connectionsSeen: number;
  readonly maxConnectionsSeen: number;
  /** Those that are open now, by the client's address. */
  readonly connectionsFrom: ReadonlyMap<string, number>;
  /** Replaces the script for what comes from now on. */
  setScript(script: Script): void;
  /** The messages as soon as there are `count` of them. */
  received(count: number, deadline?: number): Promise<readonly ReceivedMessage[]>;
  /** Closes the connections that are open, as a peer that had enough of them. */
  dropConnections(): void;
  close(): Promise<void>;
}

/** State that the dialogues of one peer share. */
export interface PeerState {
  readonly hostname: string;
  readonly options: PeerOptions;
  readonly secureContext: tls.SecureContext | null;
  readonly messages: ReceivedMessage[];
  readonly commands: string[];
  readonly violations: string[];
  step(point: Point, call: Omit<Call, 'count'>): Step;
}

/** Starts a peer; inside a test it is closed when the test is over, elsewhere by `close()`. */
export async function startPeer(options: PeerOptions = {}): Promise<Peer> {
  const address = options.address ?? '127.0.0.1';
  const hostname = options.hostname ?? 'peer.test';
  const state = makeState(hostname, options, await secureContextFor(hostname, address, options.tls));
  const open = new Set<SmtpDialogue>();
  let seen = 0;
  let most = 0;
  const openFrom = new Map<string, number>();
  const server = net.createServer({ noDelay: true }, (socket) => {
    seen += 1;
    const dialogue = new SmtpDialogue(socket, seen, state);
    open.add(dialogue);
    most = Math.max(most, open.size);
    const client = socket.remoteAddress ?? '';
    openFrom.set(client, (openFrom.get(client) ?? 0) + 1);
    socket.once('close', () => {
      open.delete(dialogue);
      openFrom.set(client, (openFrom.get(client) ?? 1) - 1);
    });
    dialogue.begin(options.maxConnections !== undefined && open.size > options.maxConnections);
  });
  server.listen({ host: address, port: options.port ?? 0 });
  await once(server, 'listening');
  const peer: Peer = {
    address,
    port: (server.address() as net.AddressInfo).port,
    hostname,
    messages: state.messages,
    commands: state.commands,
    violations: state.violations,
    get connectionsOpen() {
      return open.size;
    },
    get connectionsSeen() {
      return seen;
    },
    get maxConnectionsSeen() {
      return most;
    },
    connectionsFrom: openFrom,
    setScript: state.setScript,
    received: (count, deadline) =>
      until(`${count} messages`, () => (state.messages.length >= count ? state.messages : null), deadline),
    dropConnections: () => {
      for (const dialogue of open) dialogue.end();
    },
    close: async () => {
      for (const dialogue of open) dialogue.destroy();
      if (!server.listening) return;
      server.close();
      await once(server, 'close');
    },
  };
  closeWithTest(peer);
  return peer;
}

function makeState(hostname: string, options: PeerOptions, secureContext: tls.SecureContext | null) {
  const counts = new Map<Point, number>();
  let script = options.script ?? {};
  let used = new Map<Point, number>();
  return {
    hostname,
    options,
    secureContext,
    messages: [] as ReceivedMessage[],
    commands: [] as string[],
    violations: [] as string[],
    setScript: (next: Script): void => {
      script = next;
      used = new Map();
    },
    step(point: Point, call: Omit<Call, 'count'>): Step {
      const count = (counts.get(point) ?? 0) + 1;
      counts.set(point, count);
      const index = used.get(point) ?? 0;
      used.set(point, index + 1);
      const scripted = script[point] ?? null;
      if (typeof scripted === 'function') return scripted({ ...call, count });
      return Array.isArray(scripted) ? (scripted[index] ?? null) : (scripted as Step);
    },
  };
}

async function secureContextFor(
  hostname: string,
  address: string,
  wanted: PeerTls | undefined,
): Promise<tls.SecureContext | null> {
  if (wanted === undefined) return null;
  const { key, cert } = await certificateFor(wanted.names ?? [hostname, address], wanted.certificate);
  const chain = wanted.certificate === 'self-signed' ? cert : `${cert}\n${(await authority()).cert}`;
  return tls.createSecureContext({ key, cert: chain });
}

function closeWithTest(peer: Peer): void {
  try {
    onTestFinished(() => peer.close());
  } catch {
    // Started outside of a test (beforeAll, a bench): the starter closes it.
  }
}
