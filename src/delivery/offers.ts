// What a peer's EHLO offers, and what follows from it for one mail.
// connection.ts reads the offers once; transaction.ts asks before and in MAIL.
// Never uses an extension that was not offered (RFC 5321 §2.2.2).
import type { Failure } from './failure.ts';
import { failureKinds } from './failures.ts';
import type { Outgoing } from './session.ts';

/** EHLO keywords in upper case, with their parameters. */
export type Offers = ReadonlyMap<string, string>;

/** RFC 5321 §4.1.1.1; some old servers write `AUTH=LOGIN`. `lines`: without code and greeting. */
export function offersOf(lines: readonly string[]): Offers {
  return new Map(
    lines.map((line) => {
      const [keyword = '', ...parameters] = line.split(/[ =]+/);
      return [keyword.toUpperCase(), parameters.join(' ')];
    }),
  );
}

/** Why the peer could not take the mail, whatever it said; null: it may. */
export function obstacle({ size, eightBit }: Outgoing, offers: Offers): Failure | null {
  // RFC 1870 §4: a declared maximum of 0 is none.
  const most = Number(offers.get('SIZE')) || Number.POSITIVE_INFINITY;
  if (size > most) {
    return { ...failureKinds.tooLarge, text: `${size} octets, and the host takes at most ${most}` };
  }
  // RFC 6152 §3: converted or returned, never sent as it is.
  if (!eightBit || offers.has('8BITMIME')) return null;
  return { ...failureKinds.eightBit, text: 'the host takes no 8-bit content (no 8BITMIME)' };
}

export function mailCommand({ from, size, eightBit }: Outgoing, offers: Offers): string {
  const parameters = `${offers.has('SIZE') ? ` SIZE=${size}` : ''}${eightBit ? ' BODY=8BITMIME' : ''}`;
  return `MAIL FROM:<${from}>${parameters}\r\n`;
}

export function rcptCommand(recipient: string): string {
  return `RCPT TO:<${recipient}>\r\n`;
}
