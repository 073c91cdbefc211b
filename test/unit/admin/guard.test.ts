import { expect, test } from 'vitest';
import { type GuardOptions, refuse } from '../../../src/admin/guard.ts';

const local: GuardOptions = { address: '127.0.0.1', token: null, names: ['mx1'] };

test('a request without Host or with an empty one is refused', () => {
  expect(refuse({}, true, local)?.status).toBe(403);
  expect(refuse({ host: '' }, true, local)?.status).toBe(403);
  expect(refuse({ host: '[::1' }, true, local)?.status).toBe(403);
});

test('the name of the machine counts only beyond loopback', () => {
  expect(refuse({ host: 'mx1:2580' }, false, local)?.status).toBe(403);
  const wide: GuardOptions = { ...local, address: '192.0.2.1', token: 'secret' };
  const authorization = 'Bearer secret';
  expect(refuse({ host: 'MX1:2580', authorization }, false, wide)).toBeNull();
  expect(refuse({ host: '192.0.2.1', authorization }, false, wide)).toBeNull();
  expect(refuse({ host: '192.0.2.2', authorization }, false, wide)?.status).toBe(403);
});
