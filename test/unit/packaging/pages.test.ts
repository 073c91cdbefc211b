// What the pages name exists: files, and the RFCs that files are said to follow.
// Reads README.md, CHANGELOG.md and docs/ of the checkout.
// Never checks the wording.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';

const root = new URL('../../..', import.meta.url).pathname;
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

const pages = [
  'README.md',
  'CHANGELOG.md',
  ...readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => join('docs', name)),
];

/** Folders under src/ whose files a page may name without it, as the sources' own comments do. */
const stages = readdirSync(join(root, 'src'));

/** Paths in code spans: `src/queue/run.ts`, `queue/run.ts`, `test/faults`; and the targets of links. */
function pathsIn(page: string): string[] {
  const text = read(page);
  const spans = [...text.matchAll(/`((?:src|test|docs|config|bench|lint|bin)\/[\w./-]*)`/g)];
  const short = [...text.matchAll(/`(\w+\/[\w./-]*\.ts)`/g)].filter(([, path = '']) =>
    stages.includes(path.split('/')[0] ?? ''),
  );
  const links = [...text.matchAll(/\]\((?!https?:|#)([^)#]+)/g)];
  return [
    ...spans.map(([, path = '']) => path),
    ...short.map(([, path = '']) => join('src', path)),
    ...links.map(([, path = '']) => join(dirname(page), path)),
  ];
}

test.each(pages)('%s names files that there are', (page) => {
  expect(pathsIn(page).filter((path) => !existsSync(join(root, path)))).toEqual([]);
});

/** The anchors of a page's headings, as GitHub makes them. */
function anchorsOf(page: string): string[] {
  return [...read(page).matchAll(/^#+ (.*)$/gm)].map(([, title = '']) =>
    title
      .toLowerCase()
      .replace(/[^\w\- ]/g, '')
      .replaceAll(' ', '-'),
  );
}

test.each(pages)('%s links to headings that there are', (page) => {
  const links = [...read(page).matchAll(/\]\(((?!https?:)[^)#\s]*)#([^)\s]+)\)/g)];
  const lost = links.filter(([, path, anchor = '']) => {
    const target = path ? join(dirname(page), path) : page;
    return !existsSync(join(root, target)) || !anchorsOf(target).includes(anchor);
  });
  expect(lost.map(([link]) => link)).toEqual([]);
});

test('a file that docs/RFC.md names cites that RFC', () => {
  const rows = [...read('docs/RFC.md').matchAll(/^\| (\d{4}) .*\| ([^|]+) \|$/gm)];
  expect(rows.length).toBeGreaterThan(40);
  const wrong = rows.flatMap(([, rfc = '', files = '']) =>
    [...files.matchAll(/`([\w/-]+\.ts)`/g)]
      .map(([, file = '']) => file)
      .filter((file) => !new RegExp(`\\b${rfc}\\b`).test(read(join('src', file))))
      .map((file) => `${file}: ${rfc}`),
  );
  expect(wrong).toEqual([]);
});
