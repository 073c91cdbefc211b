// Opens a connection to one address: TCP, greeting, EHLO, TLS as the route wants it, login.
// approach.ts picks the address; what comes out is a Channel for transaction.ts.
// Never open an outgoing SMTP socket elsewhere; never send a password in clear without leave.
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import SMTPConnection, { type SMTPConnectionOptions } from 'nodemailer/lib/smtp-connection';
import type { Clock, Timer } from '../clock/clock.ts';
import { Channel } from './channel.ts';
import { judge } from './classify.ts';
import { deadlines } from './deadlines.ts';
import type { Failure, Phase } from './failure.ts';
import { failureKinds, isMissingSource, openingFailure } from './failures.ts';
import type { Manners } from './manners.ts';
import { type Offers, offersOf } from './offers.ts';
import { parseReply } from './reply.ts';
import { type Login, mechanismFor, methodOf, noMechanism, offeredMechanisms, tokenMethods } from './sasl.ts';
import type { Target } from './session.ts';
import type { TlsManners } from './tls.ts';

/** A peer that is ready for MAIL. */
export interface Connection {
  readonly channel: Channel;
  readonly offers: Offers;
  readonly source: string;
  /** `TLSv1.3`, or null. */
  readonly tls: string | null;
}

/** The manners of the route, with what to say to the host for a login. */
export interface Greeting extends Manners {
  readonly auth: Login | null;
}

export interface Connecting {
  readonly clock: Clock;
  readonly tlsManners: TlsManners;
}

/** Never rejects; what is not handed out is closed. */
export function connect(
  target: Target,
  manners: Greeting,
  { clock, tlsManners }: Connecting,
  signal: AbortSignal,
): Promise<Connection | Failure> {
  return new Promise((resolve) => {
    const greeter = new Greeter(target, manners, clock, tlsManners, (result) => {
      signal.removeEventListener('abort', onAbort);
      resolve(result);
    });
    const onAbort = (): void => greeter.stop();
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
    else greeter.start();
  });
}

/** What nodemailer's types leave out. All of it is used here and nowhere else. */
interface Internals {
  readonly _ehloLines?: readonly string[];
  readonly _remainder: string;
  readonly _responseQueue: readonly string[];
  readonly _onSocketData: (chunk: Buffer) => void;
  readonly _onSocketError: (error: Error) => void;
  readonly _onSocketClose: () => void;
  readonly _onSocketEnd: () => void;
  readonly _onSocketTimeout: () => void;
  _connectToHost(options: object, secure: boolean): void;
  _onConnect(): void;
  _actionGreeting(reply: string): void;
  _sendCommand(command: string, logged?: string): void;
  _upgradeConnection(done: (error: Error | null, secured?: boolean) => void): void;
}

const Base = SMTPConnection as unknown as new (options: SMTPConnectionOptions) => SMTPConnection & Internals;

/** nodemailer's own timers are put beyond reach: deadlines are the Clock's. */
const NEVER = 2 ** 31 - 1;

interface PeerError extends Error {
  readonly code?: string | undefined;
  readonly originalCode?: string | undefined;
  /** Of a system error. */
  readonly syscall?: string | undefined;
  readonly response?: string | undefined;
}

/** nodemailer's dialogue up to the login, with our deadlines, phases and failures. */
class Greeter extends Base {
  readonly #target: Target;
  readonly #manners: Greeting;
  readonly #clock: Clock;
  readonly #done: (result: Connection | Failure) => void;
  readonly #greetedBy: number;
  #phase: Phase = 'connect';
  #timer: Timer | null = null;
  #over = false;

  constructor(
    target: Target,
    manners: Greeting,
    clock: Clock,
    tlsManners: TlsManners,
    done: (result: Connection | Failure) => void,
  ) {
    super(connectionOptions(target, manners, tlsManners));
    this.#target = target;
    this.#manners = manners;
    this.#clock = clock;
    this.#done = done;
    this.#greetedBy = clock.now() + manners.connectTimeout;
    this.on('error', (error: PeerError) => this.#fail(error));
  }

  start(): void {
    this.#enter('connect', deadlines.connect);
    this.connect((error) => (error ? this.#fail(error) : this.#afterHello()));
  }

  stop(): void {
    this.#finish({ ...failureKinds.stopping, phase: this.#phase, text: 'stopping' });
  }

  override _connectToHost(options: object, secure: boolean): void {
    super._connectToHost(options, secure);
    if (secure && this._socket) this._socket.once('connect', () => this.#enter('tls', deadlines.tls));
  }

  override _onConnect(): void {
    if (!this.#over) this.#enter('greeting', deadlines.greeting);
    super._onConnect();
  }

  override _actionGreeting(reply: string): void {
    this.#timer?.cancel();
    super._actionGreeting(reply);
  }

  override _sendCommand(command: string, logged?: string): void {
    if (/^(?:EHLO|HELO) /.test(command)) this.#enter('ehlo', deadlines.ehlo);
    if (command === 'STARTTLS') this.#enter('starttls', deadlines.starttls);
    super._sendCommand(command, logged);
  }

  override _upgradeConnection(done: (error: Error | null, secured?: boolean) => void): void {
    this.#enter('tls', deadlines.tls);
    super._upgradeConnection(done);
  }

  /** A phase that precedes the greeting also ends with the route's connectTimeout. */
  #enter(phase: Phase, limit: number): void {
    if (this.#over) return;
    const early =
      phase === 'connect' || phase === 'greeting' || (phase === 'tls' && this.#target.implicitTls);
    const untilGreeted = Math.max(0, this.#greetedBy - this.#clock.now());
    const left = early ? Math.min(limit, untilGreeted) : limit;
    this.#phase = phase;
    this.#timer?.cancel();
    this.#timer = this.#clock.after(left, () => this.#timedOut(left));
  }

  #timedOut(limit: number): void {
    // What is left of a route's time for several phases is no round number.
    this.#finish(openingFailure(this.#phase, `no answer within ${Math.ceil(limit / 100) / 10} s`, ''));
  }

  #afterHello(): void {
    const { auth } = this.#manners;
    if (auth) this.#logIn(auth);
    else this.#handOut();
  }

  #logIn(login: Login): void {
    const mechanism = mechanismFor(login, offeredMechanisms(this._ehloLines ?? []), this.secure);
    const isInClear = !this.secure && !login.cleartext;
    if (isInClear || mechanism === null) {
      const text = isInClear ? 'no TLS, and a login in clear is not allowed' : noMechanism(login);
      this.#finish({ ...failureKinds.noLogin, text });
      return;
    }
    this.#enter('auth', deadlines.auth);
    const pass = login.kind === 'password' ? login.password : login.token;
    const method = methodOf(login, mechanism);
    this.login({ user: login.user, pass, method }, (error) => (error ? this.#fail(error) : this.#handOut()));
  }

  /** The socket leaves nodemailer's hands: transactions have their own way of talking. */
  #handOut(): void {
    const socket = this._socket as Socket;
    const early = [...this._responseQueue, this._remainder].join('\r\n');
    const channel = new Channel(socket, this.#clock, early);
    socket.setTimeout(0);
    socket.removeListener('data', this._onSocketData);
    socket.removeListener('timeout', this._onSocketTimeout);
    socket.removeListener('close', this._onSocketClose);
    socket.removeListener('end', this._onSocketEnd);
    socket.removeListener('error', this._onSocketError);
    this.#settle({
      channel,
      offers: offersOf(this._ehloLines ?? []),
      source: socket.localAddress ?? '',
      tls: this.secure ? (socket as TLSSocket).getProtocol() : null,
    });
  }

  #fail(error: PeerError): void {
    const { response, originalCode, code, syscall, message } = error;
    if (response !== undefined) this.#finish(this.#refusal(response));
    else if (isMissingSource(originalCode, syscall)) this.#finish(this.#noAddress());
    else this.#finish(openingFailure(this.#phase, message, originalCode ?? code ?? ''));
  }

  #noAddress(): Failure {
    return { ...failureKinds.sourceMissing, text: `this machine has no address ${this.#manners.source}` };
  }

  #refusal(response: string): Failure {
    const phase = this.#phase;
    const reply = parseReply(response);
    if (!reply) {
      return { ...failureKinds.garbage, phase, text: `not an SMTP reply: ${response.slice(0, 200)}` };
    }
    if (phase === 'starttls') {
      return { ...failureKinds.noTls, phase, text: 'the host does not start TLS', reply: reply.text };
    }
    return judge(reply, phase, this.#manners.smarthost);
  }

  #finish(failure: Failure): void {
    if (this.#over) return;
    this.#settle({ ...failure, host: this.#target.host, ip: this.#target.address });
    this.close();
  }

  #settle(result: Connection | Failure): void {
    if (this.#over) return;
    this.#over = true;
    this.#timer?.cancel();
    this.#done(result);
  }
}

function connectionOptions(target: Target, manners: Greeting, tlsManners: TlsManners): SMTPConnectionOptions {
  const { tls, auth, source } = manners;
  return {
    host: target.address,
    port: target.port,
    name: manners.ehlo,
    secure: target.implicitTls,
    ignoreTLS: tls === 'none',
    requireTLS: !target.implicitTls && (tls === 'required' || tls === 'verified'),
    // A refused STARTTLS goes on in clear on the same connection, except where a password would follow.
    opportunisticTLS: tls === 'opportunistic' && auth === null,
    tls: tlsManners.options(tls, target.host),
    customAuth: tokenMethods,
    ...(source !== null && { localAddress: source }),
    connectionTimeout: NEVER,
    greetingTimeout: NEVER,
    socketTimeout: NEVER,
    socketCloseTimeout: 0,
  };
}
