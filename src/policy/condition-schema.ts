// The keys under `when`: what a rule looks at.
// rule-schema.ts puts them into rules; conditions.ts makes tests of them.
// Never evaluates: a value is only understood here.
import { z } from 'zod';
import { oneOrMore, parsed, section, text } from '../config/fields.ts';
import { type Network, parseNetwork } from '../config/network.ts';
import { parseSize } from '../config/quantities.ts';
import { type Glob, parseGlob } from './glob.ts';
import { hours } from './hours-schema.ts';
import { type AddressPattern, parseAddressPattern } from './match.ts';
import type { Hours } from './policy.ts';

/** `>20MB`: octets, compared as the sign says. */
export interface SizeLimit {
  readonly text: string;
  readonly sign: '>' | '>=' | '<' | '<=';
  readonly octets: number;
}

/** A map of conditions: all must hold, of a list one. Names of header fields as they are written. */
export interface ConditionsData {
  readonly to?: readonly AddressPattern[] | undefined;
  readonly from?: readonly AddressPattern[] | undefined;
  readonly headerFrom?: readonly AddressPattern[] | undefined;
  readonly user?: readonly string[] | undefined;
  readonly client?: readonly Network[] | undefined;
  readonly site?: readonly string[] | undefined;
  readonly header?: Readonly<Record<string, readonly Glob[]>> | undefined;
  readonly size?: readonly SizeLimit[] | undefined;
  readonly time?: readonly Hours[] | undefined;
  readonly tag?: readonly string[] | undefined;
  /** None of them may hold. */
  readonly not?: readonly ConditionsData[] | undefined;
  /** One of them must hold. */
  readonly any?: readonly ConditionsData[] | undefined;
}

/** RFC 5322 §2.2: printable ASCII without the colon. */
export const fieldName = z
  .string()
  .regex(/^[!-9;-~]{1,76}$/, { error: 'a field name is printable ASCII without spaces and colons' });

const addressPattern = parsed(
  parseAddressPattern,
  'an address pattern: user@example.net, example.net, *.example.net, user@* or "<>"',
);

const noNullSender = (who: string) =>
  oneOrMore(
    addressPattern.refine((pattern) => pattern.kind !== 'null-sender', {
      error: `${who} is never the null sender`,
    }),
  );

/** Longer than any value that people compare with: the time of a test grows with it. */
const LONGEST_PATTERN = 256;

const glob = text()
  .max(LONGEST_PATTERN, { error: `a pattern has at most ${LONGEST_PATTERN} characters` })
  .transform(parseGlob);

const headers = z
  .record(fieldName, oneOrMore(glob))
  .refine((fields) => Object.keys(fields).length > 0, { error: 'no header field is named' });

const sizeLimit = parsed(parseSizeLimit, 'a comparison such as ">20MB" or "<=100KB"');

function parseSizeLimit(written: string): SizeLimit | null {
  const [, sign, amount = ''] = /^([<>]=?)\s*(.+)$/.exec(written) ?? [];
  const octets = parseSize(amount);
  return octets === null ? null : { text: written, sign: sign as SizeLimit['sign'], octets };
}

/** Conditions within conditions: the type says what the schema cannot say of itself. */
const nested: z.ZodType<ConditionsData> = z.lazy(() => conditions);

export const conditions = section({
  to: noNullSender('a recipient').optional(),
  from: oneOrMore(addressPattern).optional(),
  headerFrom: noNullSender('the author of a mail').optional(),
  user: oneOrMore(text()).optional(),
  client: oneOrMore(parsed(parseNetwork, 'an IP address or a network such as 10.0.0.0/8')).optional(),
  site: oneOrMore(text()).optional(),
  header: headers.optional(),
  size: oneOrMore(sizeLimit).optional(),
  time: oneOrMore(hours).optional(),
  tag: oneOrMore(text()).optional(),
  not: oneOrMore(nested).optional(),
  any: oneOrMore(nested).optional(),
})
  .refine((when) => Object.keys(when).length > 0, {
    error: 'no condition: for every mail, write `when: any`',
  })
  .meta({ id: 'conditions' });
