// What a rule does besides route, reject, retry and fallback: keys that change the mail, its way and who hears of it.
// rule-schema.ts puts them into rules; compile.ts makes endings and settings of them.
// Never carries anything out.
import { z } from 'zod';
import { interval, mailAddress, oneOrMore, section, text } from '../config/fields.ts';
import { fieldName } from './condition-schema.ts';
import { hours } from './hours-schema.ts';
import type { Bounces, Copy } from './policy.ts';

/**
 * Not for rules. Received fields are counted to find loops and must not be changed (RFC 5321 §4.4, §6.3);
 * Return-Path is written at final delivery (§4.4); the fields of MIME say how the body is to be read (RFC 2045).
 */
const UNTOUCHABLE = /^(?:received|return-path|mime-version|content-.*)$/;

/** Of these each message has one (RFC 5322 §3.6; Message-ID by its SHOULD). */
const ALWAYS_ONE = new Set(['from', 'date', 'message-id']);

/** Of these a message has at most one (RFC 5322 §3.6). */
const AT_MOST_ONE = new Set([
  'sender',
  'reply-to',
  'to',
  'cc',
  'bcc',
  'in-reply-to',
  'references',
  'subject',
]);

/** RFC 5322 §2.1.1: a line has at most 998 characters. */
const LONGEST_LINE = 998;

const touchable = fieldName.refine((name) => !UNTOUCHABLE.test(name.toLowerCase()), {
  error:
    'this field is none that a rule may add or remove: it belongs to mail servers or says how to read the body',
});

const fieldValue = z
  .string()
  .regex(/^[\x20-\x7e]+$/, { error: 'expected one line of ASCII text (others as RFC 2047 writes them)' });

const header = section({
  add: z.record(touchable, oneOrMore(fieldValue)).optional(),
  remove: oneOrMore(touchable).optional(),
})
  .transform(({ add = {}, remove = [] }) => ({
    add: Object.entries(add).flatMap(([name, values]) => values.map((value) => ({ name, value }))),
    remove: remove.map((name) => name.toLowerCase()),
  }))
  .superRefine(({ add, remove }, context) => {
    const refuse = (message: string): void => context.addIssue({ code: 'custom', message });
    if (add.length + remove.length === 0) refuse('nothing to add and nothing to remove');
    for (const { name, value } of add)
      if (name.length + value.length + 2 > LONGEST_LINE)
        refuse(`${name} would be longer than a line may be (${LONGEST_LINE} characters)`);
    const added = add.map(({ name }) => name.toLowerCase());
    for (const name of new Set([...ALWAYS_ONE, ...AT_MOST_ONE])) {
      const times = added.filter((one) => one === name).length;
      if (times > 1 || (times === 1 && !remove.includes(name)))
        refuse(`a message has one ${name} field: to set it, remove it too`);
    }
    for (const name of remove)
      if (ALWAYS_ONE.has(name) && !added.includes(name))
        refuse(`every message has a ${name} field: add one too`);
  });

const copy = z
  .union(
    [
      mailAddress().transform((to): Copy => ({ to, per: 'message' })),
      section({ to: mailAddress(), per: z.literal(['message', 'recipient']).default('message') }),
    ],
    { error: 'expected an address, or { to, per: message | recipient }' },
  )
  .transform((written): Copy => written);

const bounces = z.union([
  z.literal(['sender', 'none']).transform((to): Bounces => ({ to: to === 'none' ? 'nobody' : 'sender' })),
  mailAddress().transform((address): Bounces => ({ to: 'address', address })),
]);

/** A reason ends up in the log and in every listing: a few lines are enough. */
const LONGEST_REASON = 500;

/** These end a rule. */
export const endings = {
  hold: text().max(LONGEST_REASON).optional(),
  discard: z.literal(true, { error: 'expected true' }).optional(),
  redirect: mailAddress().optional(),
};

/** These are added to what other rules say. */
export const settings = {
  copy: copy.optional(),
  header: header.optional(),
  tag: oneOrMore(text()).optional(),
  priority: z.literal(['low', 'normal', 'high']).optional(),
  window: hours.optional(),
  bounces: bounces.optional(),
  warn: z.array(interval()).optional(),
};
