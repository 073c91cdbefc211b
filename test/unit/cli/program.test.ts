import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { run } from '../../../src/cli/program.ts';
import { temporaryFolder } from '../../harness/folder.ts';
import { testTerminal } from '../../harness/terminal.ts';

async function sendoff(...argv: string[]) {
  const terminal = testTerminal();
  const code = await run(argv, terminal);
  return { code, ...terminal.printed };
}

test('--version prints the version alone', async () => {
  expect(await sendoff('--version')).toEqual({
    code: 0,
    out: expect.stringMatching(/^\d+\.\d+\.\d+\n$/),
    err: '',
  });
});

test('--help of every command names --config and exits 0', async () => {
  const changes = ['retry', 'hold', 'release', 'remove', 'bounce', 'reroute'];
  const queue = ['list', 'show', ...changes].map((command) => ['queue', command]);
  for (const command of [
    [],
    ['serve'],
    ['check'],
    ['send'],
    ['suspend'],
    ['resume'],
    ['reload'],
    ['queue'],
    ...queue,
  ]) {
    const { code, out, err } = await sendoff(...command, '--help');
    expect({ code, err }, command.join(' ')).toEqual({ code: 0, err: '' });
    expect(out, command.join(' ')).toContain('--config <file>');
  }
});

test.each([
  ['no command', [], 'Usage: sendoff'],
  ['an unknown command', ['frobnicate'], "unknown command 'frobnicate'"],
  ['an unknown option', ['queue', 'list', '--colour'], "unknown option '--colour'"],
  ['a missing argument', ['queue', 'show'], "missing required argument 'id'"],
  ['a surplus argument', ['queue', 'retry', '0abc123def45'], 'too many arguments'],
  ['a missing sender', ['send', '--to', 'a@b'], "'--from <address>' not specified"],
  ['an option without value', ['queue', 'list', '--id'], "'--id <id>' argument missing"],
  ['a group alone', ['queue'], 'Usage: sendoff queue'],
])('%s is exit 64 with a line on stderr', async (_name, argv, said) => {
  const { code, out, err } = await sendoff(...argv);
  expect({ code, out }).toEqual({ code: 64, out: '' });
  expect(err).toContain(said);
});

test('every command that reads settings exits 78 with all mistakes and their places', async () => {
  const file = join(temporaryFolder(), 'sendoff.yaml');
  writeFileSync(file, 'hostname: a.example\ncolour: red\nadmin:\n  port: many\n');
  const sent = ['send', '--from', 'a@b.example', '--to', 'c@d.example'];
  for (const argv of [['check'], ['serve'], ['queue', 'list'], ['queue', 'show', 'x'], ['reload'], sent]) {
    const { code, out, err } = await sendoff(...argv, '--config', file);
    expect({ code, out }, argv.join(' ')).toEqual({ code: 78, out: '' });
    expect(err, argv.join(' ')).toMatch(
      /^\S*sendoff\.yaml:2:1:.*colour.*\n(?: .*\n)*\S*sendoff\.yaml:4:9:.*port.*\n(?: .*\n)*sendoff: 2 mistakes in the configuration\n$/,
    );
    expect(err, argv.join(' ')).not.toContain('    at ');
  }
});

test('--config of a file that is not there exits 78 and names it', async () => {
  const { code, err } = await sendoff('check', '--config', '/nowhere/sendoff.yaml');
  expect(code).toBe(78);
  expect(err).toContain('/nowhere/sendoff.yaml');
});
