// One login at a POP3 server (RFC 1939), for hosts that relay for whoever read mail a moment ago.
// pop-logins.ts asks for it and remembers it; pop3-line.ts is the connection.
// Never shows the password to a wire without TLS, unless the policy says that it may; never repeats it in a reason.
import { createHash } from 'node:crypto';
import type { Clock } from '../clock/clock.ts';
import type { PopServer } from '../policy/auth.ts';
import type { TlsPolicy } from '../policy/policy.ts';
import { deadlines } from './deadlines.ts';
import { type PopAddress, PopLine, type Said } from './pop3-line.ts';
import type { TlsManners } from './tls.ts';

export type PopOutcome =
  | { readonly kind: 'in' }
  /** `away`: nobody answered there, another address may. `tls`: the handshake failed. `no-source`: we are not there. */
  | { readonly kind: 'away' | 'tls' | 'refused' | 'no-source'; readonly reason: string };

export interface PopVisit {
  readonly server: PopServer;
  readonly at: PopAddress;
  readonly clock: Clock;
  readonly tlsManners: TlsManners;
}

/** From the connection to the login: a server answers in a second, and mail waits for it. */
const DEADLINE = 30_000;

/** Longer explanations are for logs of the server. */
const LONGEST_TEXT = 200;

/** Connects, logs in, takes leave. Never rejects. */
export async function logInAtPop(visit: PopVisit, signal: AbortSignal): Promise<PopOutcome> {
  const { server } = visit;
  const outcome = await dial(visit, server.tls, signal);
  // Opportunistic TLS that came to nothing is followed by plain text (RFC 7435), with leave for it.
  const mayFallBack = server.tls === 'opportunistic' && server.cleartext && !server.implicitTls;
  return outcome.kind === 'tls' && mayFallBack ? dial(visit, 'none', signal) : outcome;
}

async function dial(visit: PopVisit, tls: TlsPolicy, signal: AbortSignal): Promise<PopOutcome> {
  if (signal.aborted) return { kind: 'away', reason: 'stopping' };
  const line = new PopLine(visit.at);
  const timer = visit.clock.after(DEADLINE, () => line.end(`no answer within ${DEADLINE / 1000} s`));
  const onAbort = (): void => line.end('stopping');
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    const outcome = await new Conversation(line, visit, tls).hold();
    if (outcome.kind === 'in') await quit(line, visit.clock);
    if (!line.isWithoutSource) return outcome;
    return { kind: 'no-source', reason: `this machine has no address ${visit.at.source}` };
  } finally {
    timer.cancel();
    signal.removeEventListener('abort', onAbort);
    line.end('we closed the connection');
  }
}

/** RFC 1939 §6: it gives the mailbox free. Nothing depends on the answer. */
async function quit(line: PopLine, clock: Clock): Promise<void> {
  const timer = clock.after(deadlines.quit, () => line.end('no answer to QUIT'));
  await line.ask('QUIT');
  timer.cancel();
}

class Conversation {
  readonly #line: PopLine;
  readonly #server: PopServer;
  readonly #tlsManners: TlsManners;
  readonly #tls: TlsPolicy;
  #secure = false;

  constructor(line: PopLine, { server, tlsManners }: PopVisit, tls: TlsPolicy) {
    this.#line = line;
    this.#server = server;
    this.#tlsManners = tlsManners;
    this.#tls = tls;
  }

  async hold(): Promise<PopOutcome> {
    const { implicitTls, cleartext } = this.#server;
    const early = implicitTls ? await this.#handshake() : null;
    if (early) return early;
    const greeting = await this.#line.hear();
    if (greeting.kind !== 'ok') return this.#failed('greeting', greeting);
    const failed = this.#secure || this.#tls === 'none' ? null : await this.#startTls();
    if (failed) return failed;
    if (this.#secure) return this.#sendPassword();
    if (!cleartext)
      return { kind: 'refused', reason: 'it offers no TLS, and a password in clear is not allowed' };
    return (await this.#sendDigest(greeting.text)) ?? this.#sendPassword();
  }

  /** RFC 2595 §4. Who does not know STLS says -ERR: CAPA before it would tell no more. */
  async #startTls(): Promise<PopOutcome | null> {
    const answer = await this.#line.ask('STLS');
    if (answer.kind === 'lost') return this.#failed('STLS', answer);
    if (answer.kind === 'ok') return this.#handshake();
    const isNeeded = this.#tls !== 'opportunistic';
    return isNeeded ? { kind: 'refused', reason: this.#worded('it does not start TLS', answer.text) } : null;
  }

  async #handshake(): Promise<PopOutcome | null> {
    const { host } = this.#server;
    const reason = await this.#line.secure({ ...this.#tlsManners.options(this.#tls, host), host });
    this.#secure = reason === null;
    return reason === null ? null : { kind: 'tls', reason: `TLS: ${reason}` };
  }

  /**
   * RFC 1939 §7, APOP: keeps the password from who listens. Null where the greeting has no timestamp, and
   * where it is refused: servers give one to all, and know some passwords only hashed.
   */
  async #sendDigest(greeting: string): Promise<PopOutcome | null> {
    const [timestamp] = /<[^<>\s@]+@[^<>\s@]+>/.exec(greeting) ?? [];
    if (timestamp === undefined) return null;
    const { user, password } = this.#server;
    const digest = createHash('md5').update(`${timestamp}${password}`).digest('hex');
    const answer = await this.#line.ask(`APOP ${user} ${digest}`);
    if (answer.kind === 'err' && !knowsUs(answer.text)) return null;
    return this.#ended('APOP', answer);
  }

  async #sendPassword(): Promise<PopOutcome> {
    const { user, password } = this.#server;
    const known = await this.#line.ask(`USER ${user}`);
    if (known.kind !== 'ok') return this.#failed('USER', known);
    return this.#ended('PASS', await this.#line.ask(`PASS ${password}`));
  }

  #ended(step: string, answer: Said): PopOutcome {
    const isIn = answer.kind === 'ok' || (answer.kind === 'err' && knowsUs(answer.text));
    return isIn ? { kind: 'in' } : this.#failed(step, answer);
  }

  #failed(step: string, { kind, text }: Said): PopOutcome {
    if (kind === 'lost') return { kind: 'away', reason: this.#worded(step, text) };
    return { kind: 'refused', reason: this.#worded(`${step} was refused`, text) };
  }

  #worded(what: string, text: string): string {
    const said = text.replaceAll(this.#server.password, '***').replace(/[^\x20-\x7e]+/g, ' ');
    return said === '' ? what : `${what}: ${said.slice(0, LONGEST_TEXT)}`;
  }
}

/**
 * RFC 2449 §8.1: the login itself was right, and only the mailbox is busy or was opened too short a time ago.
 * Whether that is enough, the hosts of the route will say.
 */
function knowsUs(text: string): boolean {
  return /^\[(?:IN-USE|LOGIN-DELAY)\]/i.test(text);
}
