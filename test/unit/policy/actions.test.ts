// What rules may do: each action by example as it comes out, and what is refused with which words.
// Runs the schema of rules.
// Never carries anything out.
import { expect, test } from 'vitest';
import { findingsOf, parseOptions } from '../../../src/config/issues.ts';
import { ruleSchema } from '../../../src/policy/rule-schema.ts';

const schema = ruleSchema({ routes: ['direct'], schedules: ['default'] });

test.each([
  [{ hold: 'too big' }, { hold: 'too big' }],
  [{ discard: true }, { discard: true }],
  [{ redirect: 'QA@Bücher.example' }, { redirect: 'QA@xn--bcher-kva.example' }],
  [{ copy: 'a@b.example' }, { copy: { to: 'a@b.example', per: 'message' } }],
  [{ copy: { to: 'a@b.example' } }, { copy: { to: 'a@b.example', per: 'message' } }],
  [{ copy: { to: 'a@b.example', per: 'recipient' } }, { copy: { to: 'a@b.example', per: 'recipient' } }],
  [{ tag: 'a' }, { tag: ['a'] }],
  [{ priority: 'low' }, { priority: 'low' }],
  [{ bounces: 'none' }, { bounces: { to: 'nobody' } }],
  [{ bounces: 'sender' }, { bounces: { to: 'sender' } }],
  [{ bounces: 'a@b.example' }, { bounces: { to: 'address', address: 'a@b.example' } }],
  [{ warn: [] }, { warn: [] }],
  [{ warn: ['1h'] }, { warn: [3_600_000] }],
  [
    { window: { hours: '22:00-06:00', days: ['fri', 'sun-mon'], zone: 'Europe/Madrid' } },
    { window: { hours: { from: 1320, to: 360 }, days: new Set([5, 0, 1]), zone: 'Europe/Madrid' } },
  ],
  [
    { header: { add: { 'X-A': ['1', '2'], 'X-B': '3' }, remove: 'X-Internal' } },
    {
      header: {
        add: [
          { name: 'X-A', value: '1' },
          { name: 'X-A', value: '2' },
          { name: 'X-B', value: '3' },
        ],
        remove: ['x-internal'],
      },
    },
  ],
  [
    { header: { add: { From: 'a@b.example', Subject: 'x' }, remove: ['from', 'SUBJECT', 'DKIM-Signature'] } },
    { header: { remove: ['from', 'subject', 'dkim-signature'] } },
  ],
])('%j', (rule, expected) => {
  expect(schema.parse(rule)).toMatchObject(expected);
});

const untouchable =
  'this field is none that a rule may add or remove: it belongs to mail servers or says how to read the body';

test.each<[unknown, string, string]>([
  [{ discard: false }, 'discard', 'expected true'],
  [{ hold: '' }, 'hold', 'must not be empty'],
  [{ redirect: 'example.net' }, 'redirect', '"example.net" is not a mail address such as ops@example.net'],
  [{ copy: { per: 'recipient' } }, 'copy.to', 'is missing'],
  [{ copy: 7 }, 'copy', 'expected an address, or { to, per: message | recipient }'],
  [{ bounces: 'nobody' }, 'bounces', '"nobody" is not a mail address such as ops@example.net'],
  [{ priority: 'urgent' }, 'priority', 'expected low, normal or high'],
  [{ warn: '1h' }, 'warn', 'expected a list'],
  [{ header: {} }, 'header', 'nothing to add and nothing to remove'],
  [{ header: { remove: ['Received'] } }, 'header.remove.0', untouchable],
  [{ header: { add: { 'Content-Type': 'text/plain' } } }, 'header.add.Content-Type', untouchable],
  [
    { header: { add: { 'X A': '1' } } },
    'header.add.X A',
    'a field name is printable ASCII without spaces and colons',
  ],
  [
    { header: { add: { 'X-A': 'a\r\nBcc: x@y.example' } } },
    'header.add.X-A.0',
    'expected one line of ASCII text (others as RFC 2047 writes them)',
  ],
  [
    { header: { add: { 'X-A': 'x'.repeat(994) } } },
    'header',
    'X-A would be longer than a line may be (998 characters)',
  ],
  [
    { header: { add: { Subject: 'x' } } },
    'header',
    'a message has one subject field: to set it, remove it too',
  ],
  [{ header: { remove: 'Date' } }, 'header', 'every message has a date field: add one too'],
  [
    { hold: 'x', discard: true, route: 'direct' },
    '',
    'a rule ends in one way: `route` or `hold` or `discard`',
  ],
  [{ name: 'idle', when: { to: 'a.example' } }, '', 'this rule does nothing'],
  [{ route: 'direct', headerFrom: 'a.example' }, 'headerFrom', 'unknown key'],
])('%j is refused at %j: %s', (rule, path, message) => {
  const { error } = schema.safeParse(rule, parseOptions);
  const found = error ? findingsOf(error).map((one) => [one.path.join('.'), one.message]) : [];
  expect(found).toEqual([[path, message]]);
});
