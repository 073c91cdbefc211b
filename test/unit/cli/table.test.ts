import { expect, test } from 'vitest';
import { type Column, table } from '../../../src/cli/table.ts';

const columns: readonly Column[] = [
  { title: 'ID' },
  { title: 'N', right: true },
  { title: 'FROM', flexible: true },
  { title: 'TO', flexible: true },
];

test('columns are as wide as their widest cell', () => {
  const rows = [{ cells: ['a', '10', 'x', 'y'] }, { cells: ['bcd', '7', 'long', 'z'], note: 'why' }];
  expect(table(columns, rows, null)).toBe(
    ['ID    N  FROM  TO', 'a    10  x     y', 'bcd   7  long  z', '    why', ''].join('\n'),
  );
});

test('a narrow terminal cuts the widest flexible column first, and notes', () => {
  const rows = [
    { cells: ['id', '1', 'averyverylongsender@example.org', 'short@example'], note: 'n'.repeat(99) },
  ];
  const lines = table(columns, rows, 40).trimEnd().split('\n');
  expect(lines.slice(1).map((line) => line.length)).toEqual([40, 40]);
  expect(lines[1]).toContain('short@example');
  expect(lines[1]).toMatch(/averyveryl\S*…/);
  expect(lines[2]).toMatch(/n…$/);
});

test('nothing is cut where a program reads', () => {
  const cells = ['id', '1', 's'.repeat(300), 't'.repeat(300)];
  expect(table(columns, [{ cells, note: 'n'.repeat(300) }], null)).not.toContain('…');
});

test('a terminal that is narrower than anything keeps the start of each cell', () => {
  const cells = ['id', '1', 'sender@example.org', 'recipient@example.org'];
  expect(table(columns, [{ cells }], 10)).toContain('sender@…  recipie…');
});
