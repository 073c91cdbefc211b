// Takes mail that an operator hands in through the admin API.
// control.ts calls it; the message then goes the way of all mail.
// Never skips policy: only the route may be forced.
import { isAscii } from 'node:buffer';
import type { Address } from '../mail/envelope.ts';
import { parsePath } from '../mail/path.ts';
import { decide } from '../policy/evaluate.ts';
import { commitMessage, type IntakeOptions } from './intake.ts';

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
  const { policy } = options.context();
  for (const to of recipients) {
    const { ending, rule } = decide(policy, { from, to });
    if (ending.kind === 'reject') return { refused: `rule "${rule}" rejects ${to}: ${ending.reply.text}` };
  }
  const id = options.spool.newId();
  const body = options.spool.receive();
  const content = Buffer.from(
    mail
      .content(id)
      .toString('latin1')
      .replace(/\r\n|\r|\n/g, '\r\n'),
    'latin1',
  );
  await body.write(content);
  const message = { id, origin: 'client', arrived: options.clock.now(), from, recipients } as const;
  const override = mail.route === undefined ? {} : { routeOverride: mail.route };
  await commitMessage(options, { ...message, ...override, eightBit: !isAscii(content) }, body);
  return { id };
}
