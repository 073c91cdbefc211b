// smtp-server as we use it: it accepts connections and does TLS; lines, content and replies are ours.
// Stands between the sockets and session.ts; made by listener.ts. The only file that knows the library.
// Never lets the library parse, answer, log or wait: each member overridden here says what it would do.
import type { Socket } from 'node:net';
import { createSecureContext, TLSSocket } from 'node:tls';
import { SMTPServer } from 'smtp-server';
import { SMTPConnection } from 'smtp-server/lib/smtp-connection.js';
import { SMTPStream } from 'smtp-server/lib/smtp-stream.js';
import { Input } from './input.ts';
import { clientAddress } from './networks.ts';
import { replyLines } from './replies.ts';
import type { Peer, SessionRules } from './rules.ts';
import { Session, type Transport } from './session.ts';

export interface TlsMaterial {
  /** PEM. */
  readonly cert: string;
  readonly key: string;
  readonly minVersion: 'TLSv1.2' | 'TLSv1.3';
}

/**
 * An implicit TLS handshake, and what is left after a goodbye, has this long. The library's own
 * timer: it works below the session.
 */
const HANDSHAKE_TIMEOUT = 60_000;

const nothing = (): void => {};

export class RelayServer extends SMTPServer {
  readonly #rules: SessionRules;
  readonly #trusted: (address: string) => boolean;
  /** Every socket that made it to a session, until it is closed. */
  readonly #open = new Set<RelayConnection>();
  readonly #releases = new WeakMap<Socket, () => void>();
  #count = 0;

  constructor(rules: SessionRules, trusted: (address: string) => boolean, tls: TlsMaterial | null) {
    super({
      ...(tls ?? {}),
      name: rules.hostname,
      secure: rules.listener.tls === 'implicit',
      // A client may shut its side down after its last command and still read the replies.
      allowHalfOpen: true,
      socketTimeout: HANDSHAKE_TIMEOUT,
      maxClients: rules.limits.connections,
      disableReverseLookup: true,
      logger: false,
    });
    this.#rules = rules;
    this.#trusted = trusted;
    this.on('error', (error: Error) => rules.observer.debug('connection error', { error: error.message }));
  }

  get open(): ReadonlySet<RelayConnection> {
    return this.#open;
  }

  /** Throws, and leaves things as they are, when certificate and key do not fit together. */
  replaceTls(tls: TlsMaterial): void {
    // The library drops the old context before it tries the new one.
    createSecureContext({ ...tls });
    this.updateSecureContext({ ...tls });
  }

  /** Sockets whose TLS handshake is not over. */
  dropPending(): void {
    for (const socket of this._pendingSockets.values()) socket.destroy();
  }

  /** The library: guards the handshake. Here first of all: is there room for the client? */
  override _acceptSocket(socket: Socket, handshake: boolean): (() => void) | false {
    const client = clientAddress(socket.remoteAddress);
    const admission = this.#rules.shared.admit(client, this.#trusted(client));
    if (!admission.admitted) {
      const text = replyLines(admission.reply).join(' ');
      socket.on('error', nothing);
      if (handshake) socket.destroy();
      else socket.end(`${text}\r\n`, () => socket.destroy());
      this.#rules.observer.event({
        event: 'rejected',
        client,
        from: null,
        to: null,
        phase: 'connect',
        reply: text,
        rule: null,
      });
      return false;
    }
    this.#releases.set(socket, admission.release);
    socket.once('close', admission.release);
    return super._acceptSocket(socket, handshake);
  }

  /** The library: PROXY protocol, a random id and a turn of the loop. */
  override _handleProxy(...[, callback]: Parameters<SMTPServer['_handleProxy']>): void {
    callback(null, { id: String(++this.#count) });
  }

  /** Implicit TLS: the client's place goes over to the socket that the session gets. */
  override _upgrade(...[socket, callback]: Parameters<SMTPServer['_upgrade']>): void {
    super._upgrade(socket, (error, secured) => {
      const release = this.#releases.get(socket);
      if (secured && release) this.#releases.set(secured, release);
      callback(error, secured);
    });
  }

  override connect(...[socket, options]: Parameters<SMTPServer['connect']>): void {
    const connection = new RelayConnection(this, socket, options);
    this.connections.add(connection);
    this.#open.add(connection);
    const client = clientAddress(socket.remoteAddress);
    connection.start(this.#rules, { client, trusted: this.#trusted(client) }, () => {
      this.#open.delete(connection);
      this.#releases.get(socket)?.();
    });
  }
}

export class RelayConnection extends SMTPConnection implements Transport {
  #session: Session | null = null;
  #input: Input | null = null;
  #onGone: () => void = nothing;
  #queued = '';

  /** Null before start(). What the listener has to say goes through it. */
  get smtp(): Session | null {
    return this.#session;
  }

  /** `onGone` is called once, when the socket is closed. */
  start(rules: SessionRules, client: Pick<Peer, 'client' | 'trusted'>, onGone: () => void): void {
    this.#onGone = onGone;
    const peer: Peer = { ...client, port: this.localPort, tls: () => this.#tls() };
    this.#session = new Session(rules, peer, this);
    this.#input = new Input(this.#session);
    this._setListeners(() => this.#session?.greet());
  }

  #tls(): ReturnType<Peer['tls']> {
    const socket = this._socket;
    if (!this.secure || !(socket instanceof TLSSocket)) return null;
    return { version: socket.getProtocol() ?? 'TLS', cipher: socket.getCipher()?.standardName ?? 'unknown' };
  }

  write(line: string): void {
    this.#queued += `${line}\r\n`;
  }

  flush(): void {
    const text = this.#queued;
    this.#queued = '';
    // During a handshake the raw socket belongs to TLS: a reply would break into its records.
    if (text === '' || this._upgrading || !this._socket.writable) return;
    this._socket.write(text, 'latin1');
  }

  startTls(): void {
    // A partial line that came in clear text is forgotten with its Input.
    if (this.#session) this.#input = new Input(this.#session);
    this.upgrade(nothing, () => this.#session?.secured());
  }

  override close(): void {
    this.flush();
    super.close();
  }

  /**
   * Called by the parser with each chunk. A client that does not read its replies is not read from
   * either.
   */
  receive(chunk: Buffer, done: () => void): void {
    this.#input?.feed(chunk, () => {
      this.flush();
      this._whenWritable(done);
    });
    // What was answered before something had to be waited for.
    this.flush();
  }

  /** The client shut its side down and everything it sent is dealt with. */
  inputEnded(): void {
    this.#session?.gone();
    this.close();
  }

  /** The library: its own parser. Runs inside super(), when no field of ours exists yet. */
  override _createParser(): SMTPStream {
    const parser = new Parser(this);
    parser.on('finish', () => {
      if (!parser.isClosed) this.inputEnded();
    });
    return parser;
  }

  /** The library: an idle timeout that every octet extends. The session's deadlines stand instead. */
  override _armTimeout(): void {}

  /** The library: rebuilds session data that we do not use. */
  override _resetSession(): void {}

  /** The library: reports resets inside a transaction as errors. A client that is gone is no error. */
  override _onError(): void {
    super.close();
  }

  override _onClose(): void {
    super._onClose();
    this.#session?.gone();
    this.#onGone();
    this.#onGone = nothing;
  }
}

/** What the socket is piped into: every chunk goes to the connection, one at a time. */
class Parser extends SMTPStream {
  readonly #connection: RelayConnection;

  constructor(connection: RelayConnection) {
    super();
    this.#connection = connection;
  }

  override _write(chunk: Buffer, _encoding: string, next: () => void): void {
    if (this.isClosed) next();
    else this.#connection.receive(chunk, next);
  }

  /** The library: runs an unfinished line as a command when the client is gone. */
  override _flushData(): void {}
}
