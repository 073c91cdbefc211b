// Mails an alarm to the postmaster, by the way of all mail.
// observe/alarms.ts tells it of each alarm as it is said; the spool takes the message.
// Never raises an alarm of its own when that fails: the log has the first one.
import { buildNotice } from '../mail/notice.ts';
import type { BodyWriter } from '../spool/spool.ts';
import { headerOf, keptHeader } from './content.ts';
import { commitMessage, type IntakeOptions } from './intake.ts';

export async function mailNotice(
  options: IntakeOptions,
  postmaster: string,
  alarm: string,
  text: string,
): Promise<void> {
  const { spool, clock, hostname, observer, context } = options;
  const id = spool.newId();
  const now = clock.now();
  let body: BodyWriter | null = null;
  try {
    body = spool.receive('notice');
    const content = buildNotice({ id, to: postmaster, hostname, now, alarm, text });
    const header = headerOf(keptHeader(content, context().policy));
    await body.write(content);
    // From the null sender: a notice that cannot be delivered is nobody's to answer.
    const message = { id, origin: 'notice', arrived: now, from: '', recipients: [postmaster] } as const;
    await commitMessage(options, { ...message, ...header, eightBit: false }, body);
  } catch (error) {
    body?.discard();
    observer.warn('an alarm could not be mailed to the postmaster', { alarm, error: String(error) });
  }
}
