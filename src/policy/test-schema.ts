// The keys of a policy's own tests: a mail, and what must become of it.
// schema.ts puts them into the policy; policy-tests.ts runs them.
// Never fills in a fact: what a test leaves out is not known, and rules that hang on it are passed over.
import { z } from 'zod';
import {
  ipAddress,
  mailAddress,
  oneOrMore,
  parsed,
  reference,
  section,
  size,
  text,
} from '../config/fields.ts';
import { parseAddress } from '../config/network.ts';
import { fieldName } from './condition-schema.ts';
import type { KnownNames } from './rule-schema.ts';

const sender = parsed(
  (written) => (written === '<>' ? '' : parseAddress(written)),
  'an address such as ann@example.net, or "<>"',
);
const recipient = parsed(parseAddress, 'an address such as bob@example.org');

/** With its distance from UTC: a test must not come out otherwise on another machine. */
const moment = parsed(parseMoment, 'a moment such as 2026-11-23T09:30+01:00 or 2026-11-23T08:30Z');

function parseMoment(written: string): number | null {
  if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?(Z|[+-]\d\d:\d\d)$/.test(written)) return null;
  const at = Date.parse(written);
  return Number.isNaN(at) ? null : at;
}

const mail = section({
  from: sender,
  to: recipient,
  header: z.record(fieldName, oneOrMore(z.string())).optional(),
  user: text().optional(),
  client: ipAddress().optional(),
  size: size().optional(),
  site: text().optional(),
  time: moment.optional(),
});

export function testSchema(names: KnownNames) {
  const expectation = section({
    rule: text().optional(),
    route: oneOrMore(reference('route', names.routes)).optional(),
    retry: reference('retry schedule', names.schedules).optional(),
    reject: z.int({ error: 'expected a reply code such as 550' }).optional(),
    hold: text().optional(),
    discard: z.literal(true, { error: 'expected true' }).optional(),
    redirect: mailAddress().optional(),
    priority: z.literal(['low', 'normal', 'high']).optional(),
    tag: oneOrMore(text()).optional(),
    copy: oneOrMore(mailAddress()).optional(),
  }).refine((expected) => Object.keys(expected).length > 0, { error: 'a test that expects nothing' });
  return section({ mail, expect: expectation });
}

export type PolicyTest = z.output<ReturnType<typeof testSchema>>;
