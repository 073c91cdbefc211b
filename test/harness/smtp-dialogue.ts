// One connection of a scripted SMTP server, from greeting to close.
// smtp-peer.ts accepts it and keeps the books; smtp-answers.ts knows what a plain server would say.
// Never misbehaves on its own: only where the script says so.
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { type Answer, SmtpAnswers, unstuffed } from './smtp-answers.ts';
import type { PeerState, Point, Step } from './smtp-peer.ts';

const END_OF_DATA = Buffer.from('\r\n.\r\n');
const points: Readonly<Record<string, Point>> = {
  EHLO: 'ehlo',
  HELO: 'helo',
  STARTTLS: 'starttls',
  AUTH: 'auth',
  MAIL: 'mail',
  RCPT: 'rcpt',
  DATA: 'data',
  RSET: 'rset',
  NOOP: 'noop',
  QUIT: 'quit',
};

export class SmtpDialogue {
  #socket: Socket;
  #secured: TLSSocket | null = null;
  readonly #number: number;
  readonly #peer: PeerState;
  readonly #answers: SmtpAnswers;
  #input: Buffer = Buffer.alloc(0);
  #mode: 'command' | 'body' | 'silent' = 'command';
  #bodyBegun = false;
  #working = false;

  constructor(socket: Socket, number: number, peer: PeerState) {
    this.#socket = socket;
    this.#number = number;
    this.#peer = peer;
    this.#answers = new SmtpAnswers(peer.hostname, peer.options);
  }

  /** Greets, after the handshake where TLS is implicit, and listens. */
  begin(tooMany: boolean): void {
    this.#listen(this.#socket);
    if (this.#peer.options.tls?.mode === 'implicit') this.#handshake();
    if (tooMany) {
      this.#reply('421 4.7.0 Too many connections');
      this.end();
      return;
    }
    this.#working = true;
    void this.#act('greeting', '').then(() => {
      this.#working = false;
      void this.#work();
    });
  }

  end(): void {
    this.#mode = 'silent';
    this.#socket.end();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #listen(socket: Socket): void {
    socket.on('data', (chunk: Buffer) => {
      this.#input = this.#input.length === 0 ? chunk : Buffer.concat([this.#input, chunk]);
      void this.#work();
    });
    socket.on('error', () => socket.destroy());
    const { idleTimeout } = this.#peer.options;
    if (idleTimeout !== undefined) socket.setTimeout(idleTimeout, () => this.end());
  }

  /** Takes what has come in, one command after the other; a step that waits stops it. */
  async #work(): Promise<void> {
    if (this.#working) return;
    this.#working = true;
    while (this.#mode !== 'silent') {
      const taken = this.#mode === 'body' ? await this.#takeBody() : await this.#takeLine();
      if (!taken) break;
    }
    this.#working = false;
  }

  async #takeLine(): Promise<boolean> {
    const end = this.#input.indexOf('\n');
    if (end < 0) return false;
    const raw = this.#input.toString('utf8', 0, end + 1);
    this.#input = this.#input.subarray(end + 1);
    if (!raw.endsWith('\r\n')) this.#peer.violations.push(`bare LF: ${raw}`);
    const line = raw.trimEnd();
    const { continuation } = this.#answers;
    if (continuation) {
      this.#answers.continuation = null;
      this.#give(continuation(line));
      return true;
    }
    this.#peer.commands.push(`${this.#number} ${line}`);
    this.#checkPipelining(line);
    const point = points[line.split(' ', 1)[0]?.toUpperCase() ?? ''];
    if (point === undefined) this.#reply('500 5.5.1 Unknown command');
    else await this.#act(point, line);
    return true;
  }

  #checkPipelining(line: string): void {
    const offered = this.#peer.options.extensions?.includes('PIPELINING') ?? true;
    if (!offered && this.#input.length > 0) this.#peer.violations.push(`pipelined after: ${line}`);
  }

  async #takeBody(): Promise<boolean> {
    if (this.#input.length === 0) return false;
    if (!this.#bodyBegun) {
      this.#bodyBegun = true;
      const step = await this.#stepAt('body', '');
      if (step !== null) await this.#follow(step);
      if (this.#mode === 'silent') return false;
    }
    if (this.#input.indexOf('.\r\n') === 0) return this.#finish(Buffer.alloc(0), 3);
    const end = this.#input.indexOf(END_OF_DATA);
    if (end < 0) return false;
    return this.#finish(this.#input.subarray(0, end + 2), end + END_OF_DATA.length);
  }

  async #finish(body: Buffer, octets: number): Promise<boolean> {
    this.#input = this.#input.subarray(octets);
    this.#mode = 'command';
    const step = await this.#stepAt('dot', '');
    const answer = step === null ? this.#answers.answer('dot', '') : { reply: replyOf(step) };
    const recorded = step !== null && typeof step === 'object' && 'record' in step && step.record;
    if (recorded || answer.reply.startsWith('2')) this.#record(unstuffed(body));
    this.#answers.forget();
    if (step === null) this.#give(answer);
    else await this.#follow(step);
    return true;
  }

  #record(data: Buffer): void {
    this.#answers.messages += 1;
    const secured = this.#secured as (TLSSocket & { servername?: string | false }) | null;
    this.#peer.messages.push({
      from: this.#answers.from ?? '',
      to: this.#answers.to,
      data: this.#peer.options.keepData === false ? Buffer.alloc(0) : data,
      size: data.length,
      helo: this.#answers.helo,
      parameters: this.#answers.parameters,
      tls: secured?.getProtocol() ?? null,
      serverName: secured?.servername || null,
      authUser: this.#answers.authUser,
      connection: this.#number,
      clientAddress: this.#socket.remoteAddress ?? '',
    });
  }

  /** Follows the script at this point, or does what a plain server does. */
  async #act(point: Point, line: string): Promise<void> {
    const step = await this.#stepAt(point, line);
    if (step === null) {
      this.#give(this.#answers.answer(point, line));
      return;
    }
    this.#applyScripted(point, line, replyOf(step));
    await this.#follow(step);
  }

  async #stepAt(point: Point, line: string): Promise<Step> {
    const { from, to } = this.#answers;
    let step = this.#peer.step(point, { line, connection: this.#number, from, to });
    while (step !== null && typeof step === 'object' && step.do === 'wait') {
      await step.for;
      step = step.next ?? null;
    }
    return step;
  }

  /** A scripted 2xx or 3xx has the effect of its command, so that the rest of the dialogue works. */
  #applyScripted(point: Point, line: string, reply: string): void {
    if (!/^[23]/.test(reply)) return;
    if (point === 'ehlo' || point === 'helo') this.#answers.hello(line);
    if (point === 'mail') this.#answers.begin(line);
    if (point === 'rcpt') this.#answers.addRecipient(line);
    if (point === 'data' && reply.startsWith('3')) this.#beginBody();
  }

  async #follow(step: Exclude<Step, null>): Promise<void> {
    if (typeof step === 'string') this.#reply(step);
    else if (step.do === 'slow') await this.#drip(step.reply, step.octets, step.every);
    else if (step.do === 'close') {
      if (step.reply !== undefined) this.#reply(step.reply);
      this.end();
    } else if (step.do === 'reset') {
      this.#mode = 'silent';
      this.#socket.resetAndDestroy();
    } else {
      this.#mode = 'silent';
      this.#socket.pause();
    }
  }

  async #drip(reply: string, octets: number, every: number): Promise<void> {
    const text = `${reply.replaceAll('\n', '\r\n')}\r\n`;
    for (let at = 0; at < text.length && !this.#socket.destroyed; at += octets) {
      this.#socket.write(text.slice(at, at + octets));
      await new Promise((resolve) => setTimeout(resolve, every));
    }
  }

  #give(answer: Answer): void {
    this.#reply(answer.reply);
    if (answer.next === 'end') this.end();
    if (answer.next === 'body') this.#beginBody();
    if (answer.next === 'handshake') this.#handshake();
  }

  #reply(text: string): void {
    if (this.#socket.writable) this.#socket.write(`${text.replaceAll('\n', '\r\n')}\r\n`);
  }

  #beginBody(): void {
    this.#mode = 'body';
    this.#bodyBegun = false;
  }

  #handshake(): void {
    const plain = this.#socket;
    const { secureContext, options } = this.#peer;
    plain.removeAllListeners('data');
    this.#input = Buffer.alloc(0);
    const handshake = options.tls?.handshake;
    if (handshake !== undefined || secureContext === null) {
      plain.once('data', () => {
        this.#peer.commands.push(`${this.#number} (client hello)`);
        if (handshake === 'broken') plain.end('this is no handshake\r\n');
      });
      return;
    }
    this.#secured = new TLSSocket(plain, { isServer: true, secureContext });
    this.#socket = this.#secured;
    this.#answers.secured = true;
    this.#listen(this.#secured);
  }
}

function replyOf(step: Step): string {
  if (typeof step === 'string') return step;
  return step !== null && 'reply' in step ? (step.reply ?? '') : '';
}
