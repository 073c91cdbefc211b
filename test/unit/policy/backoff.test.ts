// Which back-off rule a reply fits: the operator's, those that ship, and what may not be written.
import { describe, expect, test } from 'vitest';
import { backoffFor } from '../../../src/policy/backoff.ts';
import { siteOf } from '../../../src/policy/sites.ts';
import { policyFrom } from '../../harness/policy.ts';

const MINUTE = 60_000;

const policy = policyFrom(`
sites:
  strict:
    domains: strict.example
    backoff:
      - { reply: "*4.7.28*", suspend: 1h }
      - { reply: "4*Too Many connections*", slow: half, for: 30m }
      - { reply: "*", slow: 25%, for: 5m }
  deaf: { domains: deaf.example, backoff: [] }
`);

const rulesOf = (domain: string, ...mx: string[]) => siteOf(policy, domain, mx).backoff;

test('the first rule that fits the whole reply holds, over line ends and without regard to case', () => {
  const rules = rulesOf('strict.example');
  expect(backoffFor(rules, '421-4.7.28 Our system\n421 4.7.28 too many connections')?.action).toEqual({
    kind: 'suspend',
    ms: 60 * MINUTE,
  });
  expect(backoffFor(rules, '450 4.7.1 TOO MANY\nconnections here')?.action).toEqual({
    kind: 'slow',
    to: 0.5,
    ms: 30 * MINUTE,
  });
  expect(backoffFor(rules, '550 too many connections')?.action).toEqual({
    kind: 'slow',
    to: 0.25,
    ms: 5 * MINUTE,
  });
});

test('a list takes the place of the rules that ship, an empty one too', () => {
  expect(rulesOf('deaf.example')).toEqual([]);
  expect(rulesOf('other.example')).toEqual(policy.defaultSite.backoff);
  expect(policy.defaultSite.backoff.length).toBeGreaterThan(0);
});

describe('rules that ship', () => {
  test.each([
    ['mx.any.example', '421 4.3.2 Too many connections from your host', 'slow'],
    ['mx.any.example', '452 4.2.2 The mailbox is full', null],
    ['mx.any.example', '450 4.7.1 Greylisted, come back in 5 minutes', null],
    ['smtp.google.com', '421-4.7.28 Gmail has detected an unusual rate of unsolicited mail.', 'slow'],
    [
      'x.olc.protection.outlook.com',
      '451 4.7.650 The mail server has been temporarily rate limited',
      'suspend',
    ],
    ['mta5.am0.yahoodns.net', '421 4.7.0 [TSS04] Messages temporarily deferred due to complaints', 'suspend'],
    ['mta5.am0.yahoodns.net', '421 Too many connections', 'slow'],
  ])('%s says %s: %s', (host, reply, kind) => {
    expect(backoffFor(rulesOf('a.example', host), reply)?.action.kind ?? null).toBe(kind);
  });
});

test.each([
  ['{ reply: "*x*" }', 'backoff[0].reply: does nothing: `suspend` with a time, or `slow` and `for`'],
  ['{ reply: "*x*", suspend: 1h, slow: half, for: 1h }', 'backoff[0].slow: a suspended site gets no mail'],
  ['{ reply: "*x*", slow: half }', 'backoff[0].for: is missing: how long to go slow'],
  ['{ reply: "*x*", suspend: 1h, for: 1h }', 'backoff[0].for: goes with `slow`'],
  ['{ reply: "*x*", slow: 100%, for: 1h }', '"100%" is not `half` or a share such as 25%'],
])('%s is refused', (rule, why) => {
  expect(() => policyFrom(`sites: { a: { mx: a.example, backoff: [${rule}] } }`)).toThrow(why);
});

test('a pattern of many stars takes no time to speak of on a long reply', () => {
  const stars = policyFrom(
    `sites: { a: { domains: a.example, backoff: [{ reply: "${'*a'.repeat(500)}*b", suspend: 1h }] } }`,
  );
  const before = performance.now();
  expect(backoffFor(siteOf(stars, 'a.example', []).backoff, 'a'.repeat(100_000))).toBeNull();
  expect(performance.now() - before).toBeLessThan(500);
});
