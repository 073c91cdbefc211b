// A mail transaction from MAIL to DATA: the envelope as it grows (RFC 5321 §3.3).
// Made by session.ts; ends in the intake's hands.
// Never opens the relay: who is not trusted reaches the postmaster and nobody else.
import type { Address, Client } from '../mail/envelope.ts';
import type { Path } from '../mail/path.ts';
import { checkMailParameters, checkRcptParameters, parsePathCommand } from './command.ts';
import type { IncomingMessage, Intake, Reply, Submission } from './intake.ts';
import { no, ok, reply } from './replies.ts';
import type { SessionRules } from './rules.ts';

/** RFC 3463 §3.2: x.1.7 is about the sender's address, x.1.3 about the recipient's. */
const SENDER_SYNTAX = '5.1.7';
const RECIPIENT_SYNTAX = '5.1.3';

export class Transaction {
  readonly from: Address;
  readonly #client: Client;
  readonly #trusted: boolean;
  readonly #rules: SessionRules;
  readonly #recipients = new Set<Address>();

  private constructor(from: Address, client: Client, trusted: boolean, rules: SessionRules) {
    this.from = from;
    this.#client = client;
    this.#trusted = trusted;
    this.#rules = rules;
  }

  /** `argument`: what follows MAIL. */
  static begin(argument: string, client: Client, trusted: boolean, rules: SessionRules): Transaction | Reply {
    const command = parsePathCommand(argument, 'FROM');
    if ('code' in command) return command;
    const refusal = checkMailParameters(command.parameters, rules.limits.messageSize);
    if (refusal) return refusal;
    const from = command.path.kind === 'null' ? '' : qualified(command.path, SENDER_SYNTAX, trusted, rules);
    return typeof from === 'string' ? new Transaction(from, client, trusted, rules) : from;
  }

  get recipients(): readonly Address[] {
    return [...this.#recipients];
  }

  /**
   * `argument`: what follows RCPT. The same address twice is one recipient; local
   * parts that differ in case are two (RFC 5321 §2.4).
   */
  addRecipient(argument: string): Reply {
    const command = parsePathCommand(argument, 'TO');
    if ('code' in command) return command;
    const refusal = checkRcptParameters(command.parameters);
    if (refusal) return refusal;
    const to = this.#resolve(command.path);
    if (typeof to !== 'string') return to;
    if (this.#recipients.has(to)) return ok.recipient;
    // RFC 5321 §4.5.3.1.10.
    if (this.#recipients.size >= this.#rules.limits.recipients)
      return reply(452, '4.5.3', 'too many recipients');
    const unwelcome = this.#ask(to);
    if (unwelcome) return unwelcome;
    this.#recipients.add(to);
    return ok.recipient;
  }

  /** The message that the intake is ready for, or why it is not. */
  deliverTo(intake: Intake, protocol: string, tls: Submission['tls']): IncomingMessage | Reply {
    try {
      const { from, recipients } = this;
      return intake.begin({ client: this.#client, from, recipients, protocol, tls });
    } catch {
      return no.internal;
    }
  }

  #resolve(path: Path): Address | Reply {
    // RFC 5321 §4.1.1.3, §4.5.1: without a domain, in any case, from anybody.
    if (path.kind === 'unqualified' && path.local.toLowerCase() === 'postmaster') {
      return (
        this.#rules.postmaster ?? reply(451, '4.3.0', 'no postmaster here: set postmaster in sendoff.yaml')
      );
    }
    if (path.kind === 'null') return reply(501, RECIPIENT_SYNTAX, 'a recipient has an address');
    const to = qualified(path, RECIPIENT_SYNTAX, this.#trusted, this.#rules);
    if (typeof to !== 'string' || this.#trusted) return to;
    return reply(554, '5.7.1', `<${to}>: relay access denied`);
  }

  #ask(to: Address): Reply | null {
    try {
      return this.#rules.intake.checkRecipient(this.#client, this.from, to, this.#recipients.size);
    } catch {
      return no.internal;
    }
  }
}

/** The address that a path stands for, or why there is none. */
function qualified(
  path: Exclude<Path, { kind: 'null' }>,
  syntax: string,
  trusted: boolean,
  { qualify }: SessionRules,
): Address | Reply {
  if (path.kind === 'address') return path.address;
  if (path.kind === 'unqualified') {
    if (trusted && qualify !== null) return `${path.local}@${qualify}`;
    return reply(553, syntax, 'an address needs a domain');
  }
  // RFC 6531 §3.5: SMTPUTF8 is not offered.
  if (path.why === 'utf8') return reply(553, '5.6.7', 'address is not ASCII');
  return reply(501, syntax, path.why === 'too-long' ? 'address is too long' : 'malformed address');
}
