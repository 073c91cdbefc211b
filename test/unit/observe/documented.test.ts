// docs/LOGS.md names every metric and every alarm that there is.
// Compares the page with what the code gives.
// Never checks the wording.
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { alarmNames } from '../../../src/observe/alarms.ts';
import { createMetrics } from '../../../src/observe/metrics.ts';

const page = readFileSync(new URL('../../../docs/LOGS.md', import.meta.url), 'utf8');

test('every metric has its row', async () => {
  const names = [...(await createMetrics().render()).matchAll(/^# TYPE (\S+)/gm)].map(
    (match) => match[1] as string,
  );
  const own = names.filter((name) => !/^sendoff_(process|nodejs)_/.test(name));
  expect(own.length).toBeGreaterThan(15);
  expect(own.filter((name) => !page.includes(`\n| \`${name}\` |`))).toEqual([]);
});

test('every alarm has its row, and no row is left of one that is gone', () => {
  const section = page.slice(page.indexOf('### Alarms'), page.indexOf('### Questions'));
  const rows = [...section.matchAll(/^\| `([a-z-]+)` \|/gm)].map((match) => match[1]);
  expect(rows.sort()).toEqual([...alarmNames].sort());
});
