// How a problem is worded, and which name a typo was meant to be.
// Runs problem.ts alone.
// Never reads a file.
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { closest, formatPath, formatProblem, type Problem } from '../../../src/config/problem.ts';

const problem: Problem = {
  file: join(process.cwd(), 'config/sendoff.yaml'),
  line: 12,
  column: 5,
  path: 'listeners[0].port',
  message: 'expected a port number',
  severity: 'error',
};

test('one line: file, place, key, message, hint', () => {
  expect(formatProblem(problem)).toBe('config/sendoff.yaml:12:5: listeners[0].port: expected a port number');
  expect(formatProblem({ ...problem, file: '/etc/sendoff/sendoff.yaml', path: '', hint: 'as 25' })).toBe(
    '/etc/sendoff/sendoff.yaml:12:5: expected a port number (as 25)',
  );
  expect(formatProblem({ ...problem, file: 'SENDOFF__LOG', line: 0, column: 0, severity: 'warning' })).toBe(
    'SENDOFF__LOG: warning: listeners[0].port: expected a port number',
  );
});

test('a path is written as one would in code', () => {
  expect(formatPath(['routes', 'a b', 'hosts', 0])).toBe('routes."a b".hosts[0]');
  expect(formatPath([])).toBe('');
});

test.each([
  ['recipents', 'recipients'],
  ['RECIPIENTS', 'recipients'],
  ['conections', 'connections'],
  ['rat', 'rate'],
  ['hostname', undefined],
  ['x', undefined],
])('%s was meant to be %s', (name, meant) => {
  expect(closest(name, ['recipients', 'connections', 'rate', 'messageSize'])).toBe(meant);
});
