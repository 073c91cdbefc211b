// What a plain, correct SMTP server answers: the state of one session and the reply to each command.
// smtp-dialogue.ts asks it wherever the script has nothing to say.
// Never touches a socket.
import { createHmac } from 'node:crypto';
import type { PeerOptions, Point } from './smtp-peer.ts';

/** A reply (`\n` between its lines), and what follows it. */
export interface Answer {
  readonly reply: string;
  readonly next?: 'end' | 'handshake' | 'body';
}

const unlimited = Number.POSITIVE_INFINITY;
const defaultExtensions = ['PIPELINING', 'SIZE 52428800', '8BITMIME', 'ENHANCEDSTATUSCODES'];

export class SmtpAnswers {
  helo = '';
  from: string | null = null;
  parameters = '';
  to: string[] = [];
  authUser: string | null = null;
  secured = false;
  /** Messages recorded on this connection. */
  messages = 0;
  /** Takes the next line instead of a command (AUTH LOGIN). */
  continuation: ((line: string) => Answer) | null = null;
  readonly #hostname: string;
  readonly #options: PeerOptions;

  constructor(hostname: string, options: PeerOptions) {
    this.#hostname = hostname;
    this.#options = options;
  }

  answer(point: Point, line: string): Answer {
    switch (point) {
      case 'greeting':
        return { reply: `220 ${this.#hostname} ESMTP` };
      case 'ehlo':
        this.hello(line);
        return { reply: this.#ehlo() };
      case 'helo':
        this.hello(line);
        return { reply: `250 ${this.#hostname}` };
      case 'starttls':
        return this.#startTls();
      case 'auth':
        return this.#authenticate(line);
      case 'mail':
        return this.#mail(line);
      case 'rcpt':
        return this.#rcpt(line);
      case 'data':
        if (this.to.length === 0) return { reply: '554 5.5.1 No valid recipients' };
        return { reply: '354 Go ahead', next: 'body' };
      case 'dot':
        if (this.to.length === 0) return { reply: '554 5.5.1 No valid recipients' };
        return { reply: '250 2.0.0 Ok: queued' };
      case 'quit':
        return { reply: '221 2.0.0 Bye', next: 'end' };
      default:
        if (point === 'rset') this.forget();
        return { reply: '250 2.0.0 Ok' };
    }
  }

  hello(line: string): void {
    this.helo = line.slice(5);
    this.forget();
  }

  begin(line: string): void {
    this.from = path(line);
    this.to = [];
    this.parameters = line.slice(line.indexOf('>') + 1).trim();
  }

  addRecipient(line: string): void {
    this.to.push(path(line));
  }

  /** The transaction is over. */
  forget(): void {
    this.from = null;
    this.to = [];
    this.parameters = '';
  }

  #ehlo(): string {
    const { extensions, tls, auth } = this.#options;
    const lines = [this.#hostname, ...(extensions ?? defaultExtensions)];
    if (tls?.mode === 'starttls' && !this.secured) lines.push('STARTTLS');
    if (auth) lines.push(`AUTH ${(auth.mechanisms ?? ['PLAIN', 'LOGIN']).join(' ')}`);
    return lines.map((text, i) => `250${i === lines.length - 1 ? ' ' : '-'}${text}`).join('\n');
  }

  #startTls(): Answer {
    if (this.#options.tls?.mode !== 'starttls' || this.secured) return { reply: '502 5.5.1 Not available' };
    return { reply: '220 2.0.0 Go ahead', next: 'handshake' };
  }

  #authenticate(line: string): Answer {
    if (!this.#options.auth) return { reply: '502 5.5.1 Not available' };
    const [, mechanism = '', initial] = line.split(' ');
    if (mechanism.toUpperCase() === 'CRAM-MD5') return this.#challenge();
    if (mechanism.toUpperCase() === 'PLAIN' && initial !== undefined) {
      const [, user = '', password = ''] = decode(initial).split('\0');
      return this.#check(user, password);
    }
    if (/^(?:XOAUTH2|OAUTHBEARER)$/i.test(mechanism)) return this.#bearer(mechanism, decode(initial ?? ''));
    if (mechanism.toUpperCase() !== 'LOGIN') return { reply: '504 5.5.4 Unknown mechanism' };
    this.continuation = (user) => {
      this.continuation = (password) => this.#check(decode(user), decode(password));
      return { reply: '334 UGFzc3dvcmQ6' };
    };
    return { reply: '334 VXNlcm5hbWU6' };
  }

  /** RFC 2195: the password is the key of a keyed digest of what the server says. */
  #challenge(): Answer {
    const challenge = `<1896.697170952@${this.#hostname}>`;
    this.continuation = (line) => {
      const [user = '', digest = ''] = decode(line).split(' ');
      const password = this.#options.auth?.password ?? '';
      const right = createHmac('md5', password).update(challenge).digest('hex');
      return this.#check(user, digest === right ? password : '');
    };
    return { reply: `334 ${Buffer.from(challenge).toString('base64')}` };
  }

  /** A refusal is told in two steps: the reason as JSON behind 334, then 535 (RFC 7628 §3.2.3). */
  #bearer(mechanism: string, response: string): Answer {
    const { user = '', accepts } = this.#options.auth ?? {};
    const isXoauth2 = mechanism.toUpperCase() === 'XOAUTH2';
    const [who, bearer = '', ...end] = response.split('\x01');
    const isUser = who === (isXoauth2 ? `user=${user}` : `n,a=${user},`) && end.join('+') === '+';
    if (isUser && accepts?.(/^auth=Bearer (.*)$/.exec(bearer)?.[1] ?? '')) {
      this.authUser = user;
      return { reply: '235 2.7.0 Welcome' };
    }
    this.continuation = (line) =>
      decode(line) === (isXoauth2 ? '' : '\x01')
        ? { reply: '535 5.7.8 Bad token' }
        : { reply: '501 5.5.2 Not the answer to a refusal' };
    return { reply: `334 ${Buffer.from('{"status":"401"}').toString('base64')}` };
  }

  #check(user: string, password: string): Answer {
    const { auth } = this.#options;
    if (user !== auth?.user || password !== auth.password) return { reply: '535 5.7.8 Bad credentials' };
    this.authUser = user;
    return { reply: '235 2.7.0 Welcome' };
  }

  #mail(line: string): Answer {
    if (this.messages >= (this.#options.maxMessages ?? unlimited)) {
      return { reply: '421 4.7.0 Enough messages on this connection', next: 'end' };
    }
    this.begin(line);
    return { reply: '250 2.1.0 Ok' };
  }

  #rcpt(line: string): Answer {
    if (this.from === null) return { reply: '503 5.5.1 Need MAIL' };
    if (this.to.length >= (this.#options.maxRecipients ?? unlimited)) {
      return { reply: '452 4.5.3 Too many recipients' };
    }
    this.addRecipient(line);
    return { reply: '250 2.1.5 Ok' };
  }
}

function path(line: string): string {
  return line.slice(line.indexOf('<') + 1, line.lastIndexOf('>'));
}

function decode(text: string): string {
  return Buffer.from(text, 'base64').toString('utf8');
}

/** RFC 5321 §4.5.2: a line that begins with a dot had one added. */
export function unstuffed(body: Buffer): Buffer {
  const text = body.toString('latin1');
  const plain = text.replaceAll('\r\n..', '\r\n.');
  return Buffer.from(text.startsWith('..') ? plain.slice(1) : plain, 'latin1');
}
