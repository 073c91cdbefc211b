// The keys of a policy's own tests: a mail, and what must become of it.
// schema.ts puts them into the policy; policy-tests.ts runs them.
// Never a fact that no rule can look at yet: a test that passes would prove nothing.
import { z } from 'zod';
import { notYet, oneOrMore, parsed, reference, section, text } from '../config/fields.ts';
import { parseAddress } from '../config/network.ts';
import type { KnownNames } from './rule-schema.ts';

const sender = parsed(
  (written) => (written === '<>' ? '' : parseAddress(written)),
  'an address such as ann@example.net, or "<>"',
);
const recipient = parsed(parseAddress, 'an address such as bob@example.org');

const mail = section({
  from: sender,
  to: recipient,
  header: notYet(),
  user: notYet(),
  client: notYet(),
  size: notYet(),
});

export function testSchema(names: KnownNames) {
  const expectation = section({
    rule: text().optional(),
    route: oneOrMore(reference('route', names.routes)).optional(),
    retry: reference('retry schedule', names.schedules).optional(),
    reject: z.int({ error: 'expected a reply code such as 550' }).optional(),
  }).refine((expected) => Object.keys(expected).length > 0, { error: 'a test that expects nothing' });
  return section({ mail, expect: expectation });
}

export type PolicyTest = z.output<ReturnType<typeof testSchema>>;
