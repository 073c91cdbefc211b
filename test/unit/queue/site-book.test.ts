// What is known of domains' sites: by the policy in force, for a while, and not of too many.
import { expect, test } from 'vitest';
import { SiteBook } from '../../../src/queue/site-book.ts';
import { policyFrom } from '../../harness/policy.ts';
import { ARRIVED, MINUTE } from './setting.ts';

const policy = policyFrom(`
sites:
  big: { mx: "*.big.example", connections: 3 }
  slow: { domains: slow.example }
`);

function book() {
  let now = ARRIVED;
  const sites = new SiteBook({ now: () => now });
  return { sites, passes: (ms: number) => (now += ms) };
}

test('a name by the policy in force, from the hosts that were learned', () => {
  const { sites } = book();
  expect(sites.nameOf(policy, 'a.example')).toBeUndefined();
  expect(sites.nameOf(policy, 'slow.example')).toBe('slow');
  sites.learned('a.example', ['mx.big.example']);
  sites.learned('b.example', ['mx1.b.example', 'mx2.b.example']);
  sites.learned('slow.example', ['mx.big.example']);
  const names = ['a.example', 'b.example', 'slow.example'];
  expect(names.map((name) => sites.nameOf(policy, name))).toEqual([
    'big',
    'mx1.b.example,mx2.b.example',
    'slow',
  ]);
  expect(sites.siteOf(policy, 'a.example')).toMatchObject({ name: 'big', connections: 3 });
  const other = policyFrom('sites: { b: { domains: b.example } }');
  expect(names.map((name) => sites.nameOf(other, name))).toEqual(['mx.big.example', 'b', 'mx.big.example']);
  expect(sites.nameOf(policy, 'a.example')).toBe('big');
});

test('ten minutes for what was found, one for what was not; a failure takes nothing away', () => {
  const { sites, passes } = book();
  sites.learned('a.example', ['mx.big.example']);
  sites.learned('b.example', null);
  sites.learned('slow.example', null);
  expect(sites.nameOf(policy, 'b.example')).toBeNull();
  expect(sites.siteOf(policy, 'b.example')).toBeNull();
  expect(sites.nameOf(policy, 'slow.example')).toBe('slow');
  passes(MINUTE);
  expect(sites.nameOf(policy, 'b.example')).toBeUndefined();
  sites.learned('a.example', null);
  expect(sites.nameOf(policy, 'a.example')).toBe('big');
  passes(9 * MINUTE - 1);
  expect(sites.nameOf(policy, 'a.example')).toBe('big');
  passes(1);
  expect(sites.nameOf(policy, 'a.example')).toBeUndefined();
  sites.learned('a.example', ['mx.other.example']);
  passes(-MINUTE);
  expect(sites.nameOf(policy, 'a.example')).toBeUndefined();
});

test('of too many domains the one that was learned first is forgotten', () => {
  const { sites } = book();
  for (let n = 0; n < 50_000; n++) sites.learned(`d${n}.example`, ['mx.big.example']);
  sites.learned('d0.example', ['mx.big.example']);
  sites.learned('one.more.example', ['mx.big.example']);
  const names = ['d0', 'd1', 'd2', 'd49999', 'one.more'].map((name) =>
    sites.nameOf(policy, `${name}.example`),
  );
  expect(names).toEqual(['big', undefined, 'big', 'big', 'big']);
});
