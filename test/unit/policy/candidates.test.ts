// Rules that a mail cannot fit by its domains are not tried: a decision is the same as if all were.
// Holds decide, which leaves them out, against explain, which tries every rule.
// Never says what a pattern means: match.test.ts does.
import { expect, test } from 'vitest';
import { Candidates } from '../../../src/policy/candidates.ts';
import { decide, explain } from '../../../src/policy/evaluate.ts';
import { subjectOf } from '../../../src/policy/match.ts';
import { policyFrom } from '../../harness/policy.ts';
import { Chance } from '../../harness/random.ts';

const domains = ['a.example', 'b.example', 'x.a.example', 'y.x.a.example', 'example'];
const locals = ['ann', 'bob'];

test('decisions are those of all rules, whatever the patterns', () => {
  const chance = new Chance(20_261_122);
  const pattern = (): string => {
    const domain = chance.pick(domains);
    const all = [domain, `"*.${domain}"`, `${chance.pick(locals)}@${domain}`, `"${chance.pick(locals)}@*"`];
    return chance.pick(all);
  };
  const side = (name: string): string => (chance.next() < 0.6 ? `${name}: [${pattern()}, ${pattern()}]` : '');
  let skipped = 0;
  for (let round = 0; round < 150; round++) {
    const rules = Array.from({ length: 12 }, (_, n) => {
      const when = [side('to'), side('from')].filter((one) => one !== '').join(', ');
      const does = n % 3 === 0 ? 'route: direct' : `tag: t${n}, retry: { after: [${n + 1}m] }`;
      return `  - { name: r${n}, ${when === '' ? '' : `when: { ${when} }, `}${does} }`;
    });
    const policy = policyFrom(`rules:\n${rules.join('\n')}\n`);
    for (let mail = 0; mail < 20; mail++) {
      const address = (): string => `${chance.pick(locals)}@${chance.pick(domains)}`;
      const facts = { from: chance.next() < 0.1 ? '' : address(), to: address() };
      const { trace, ...whole } = explain(policy, facts);
      expect(decide(policy, facts)).toEqual(whole);
      const tried = new Candidates(policy.rules).for(subjectOf(facts.from), subjectOf(facts.to));
      expect(tried.map(({ name }) => name)).toEqual([...tried].map(({ name }) => name).sort(byNumber));
      skipped += policy.rules.length - tried.length;
      expect(trace.length).toBeGreaterThan(0);
    }
  }
  expect(skipped).toBeGreaterThan(1_000);
});

const byNumber = (a: string, b: string): number => Number(a.slice(1)) - Number(b.slice(1));
