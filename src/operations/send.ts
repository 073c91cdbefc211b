// Takes mail that an operator hands in through the admin API.
// control.ts calls it; the message then goes the way of all mail.
// Never skips policy: only the route may be forced.
import type { Address } from '../mail/envelope.ts';
import { parsePath } from '../mail/path.ts';
import { headerOf, IncomingContent } from '../queue/content.ts';
import { commitMessage, type IntakeOptions } from '../queue/intake.ts';

/** Mail that an operator hands in. `content` is asked for once the queue id is known. */
export interface OperatorMail {
  readonly from: string;
  readonly to: readonly string[];
  readonly route?: string;
  readonly content: (id: string) => Buffer;
}

/** Takes an operator's mail, which goes the way of all mail. Line ends may be of any kind. */
export async function sendMail(
  options: IntakeOptions,
  mail: OperatorMail,
): Promise<{ id: string } | { refused: string }> {
  const recipients: Address[] = [];
  for (const path of [mail.from, ...mail.to]) {
    const parsed = parsePath(`<${path}>`);
    if (parsed.kind !== 'address' && !(parsed.kind === 'null' && path === mail.from)) {
      return { refused: `${path} is not a mail address` };
    }
    recipients.push(parsed.kind === 'address' ? parsed.address : '');
  }
  const from = recipients.shift() ?? '';
  const { spool, clock, context, hostname } = options;
  const id = spool.newId();
  const body = spool.receive();
  const arrived = clock.now();
  const octets = Buffer.from(
    mail
      .content(id)
      .toString('latin1')
      .replace(/\r\n|\r|\n/g, '\r\n'),
    'latin1',
  );
  const content = new IncomingContent({ received: null, at: arrived, id, hostname }, context().policy);
  for (const chunk of content.push(octets)) await body.write(chunk);
  const { tail, eightBit, header } = content.end();
  for (const chunk of tail) await body.write(chunk);
  const override = mail.route === undefined ? {} : { routeOverride: mail.route };
  const envelope = { id, origin: 'client', arrived, from, recipients, ...override } as const;
  const committed = await commitMessage(options, { ...envelope, eightBit, ...headerOf(header) }, body);
  if ('message' in committed) return { id };
  body.discard();
  const { rule, reply } = committed.refused;
  return { refused: `rule "${rule}" rejects it: ${reply.text}` };
}
