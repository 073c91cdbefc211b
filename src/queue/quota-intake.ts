// Quotas of senders with `over: reject`: counted when mail is accepted, answered at RCPT.
// Stands between relay/ and the intake of the queue; budgets.ts counts, quotas.ts knows whose it is.
// Never waits for Redis: a 250 needs the spool alone.

import type { Budgets, Full, Reservation } from '../limits/budgets.ts';
import type { Policy } from '../policy/policy.ts';
import { rewrittenSender } from '../policy/rewrite.ts';
import type { IncomingMessage, Intake, Reply } from '../relay/intake.ts';
import { fullText, type Origin, senderBudgets } from './quotas.ts';

/** The intake, and what it takes counted. */
export function meteredIntake(intake: Intake, budgets: Budgets, policy: () => Policy): Intake {
  const reserve = (mail: Origin, recipients: number): Reservation | { full: Full } => {
    const inForce = policy();
    const from = rewrittenSender(inForce.rewrite, mail.from);
    return budgets.reserveAtOnce(senderBudgets(inForce, { ...mail, from }, 'acceptance'), recipients);
  };
  return {
    checkRecipient(client, from, to, taken) {
      const refusal = intake.checkRecipient(client, from, to, taken);
      if (refusal) return refusal;
      const trial = reserve({ from, client }, taken + 1);
      if ('full' in trial) return refusalOf(trial.full);
      trial.settle(0);
      return null;
    },
    begin(submission) {
      const reservation = reserve(submission, submission.recipients.length);
      // Another message of the sender was faster.
      if ('full' in reservation) return refusalOf(reservation.full);
      const message = intake.begin(submission);
      if ('finish' in message) return counted(message, reservation, submission.recipients.length);
      reservation.settle(0);
      return message;
    },
  };
}

/** What is not accepted in the end is given back. */
function counted(message: IncomingMessage, reservation: Reservation, recipients: number): IncomingMessage {
  return {
    id: message.id,
    write: (chunk) => message.write(chunk),
    async finish() {
      const end = await message.finish();
      reservation.settle('accepted' in end ? recipients : 0);
      return end;
    },
    abort() {
      message.abort();
      reservation.settle(0);
    },
  };
}

/** Temporary, for the budget comes back (RFC 3463 §3.8: delivery not authorized; RFC 5321 §4.5.3.1.10: 452). */
function refusalOf(full: Full): Reply {
  const opens = new Date(full.until).toISOString();
  return { code: 452, enhanced: '4.7.1', text: `The ${fullText(full)}; it opens at ${opens}` };
}
