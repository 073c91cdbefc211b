// Content on its way in: what rules by header see is what is stored, wherever chunks end.
import { expect, test } from 'vitest';
import { headerOf, IncomingContent, keptHeader } from '../../../src/queue/content.ts';
import { policyFrom } from '../../harness/policy.ts';

const POLICY = policyFrom(`
rewrite: { senders: { "*@office.lan": "*@example.net" } }
rules:
  - { when: { headerFrom: example.net, header: { Subject: "*" } }, tag: ours }
`);
const PLAIN = policyFrom('rules: [{ name: all, route: direct }]');

const CONTENT =
  'Subject: a\r\n b\r\nFROM: Ann\r\n <ann@office.lan>\r\nDate: x\r\nMessage-ID: y\r\nX: z\r\n\r\nFrom: me@office.lan\r\n';

function taken(policy: typeof POLICY, size: number) {
  const own = { received: Buffer.from('Received: us\r\n'), at: 0, id: 'id', hostname: 'h' };
  const content = new IncomingContent(own, policy);
  const data = Buffer.from(CONTENT);
  const out: Buffer[] = [];
  for (let at = 0; at < data.length; at += size) out.push(...content.push(data.subarray(at, at + size)));
  const { tail, header } = content.end();
  return { stored: Buffer.concat([...out, ...tail]).toString(), header };
}

test('senders are rewritten before rules look, and nothing else is', () => {
  for (let size = 1; size <= CONTENT.length; size++) {
    expect(taken(POLICY, size), `by ${size}`).toEqual({
      stored: `Received: us\r\n${CONTENT.replace('ann@office.lan', 'ann@example.net')}`,
      header: { subject: ['a b'], from: ['Ann <ann@example.net>'] },
    });
  }
});

test('a policy that looks at no field and rewrites no sender leaves nothing behind', () => {
  expect(taken(PLAIN, 7)).toEqual({ stored: `Received: us\r\n${CONTENT}`, header: {} });
  expect(headerOf({})).toEqual({});
  expect(keptHeader(Buffer.from(CONTENT), PLAIN)).toEqual({});
  expect(headerOf(keptHeader(Buffer.from(CONTENT), POLICY))).toEqual({
    header: { subject: ['a b'], from: ['Ann <ann@office.lan>'] },
  });
});
