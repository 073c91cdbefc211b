// The house's own lint rules fire where they must and stay silent where they must not.
// A small tree with known offences is linted once, with the rules of this repository.
// Never looks at the real sources: `npm run check` does.
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { temporaryFolder } from '../../harness/folder.ts';

const root = new URL('../../..', import.meta.url).pathname;

/** Path, source, and whether it is an offence. */
const cases: readonly (readonly [path: string, source: string, offence: boolean])[] = [
  ['relay/a.ts', `import { connect } from '../delivery/connection.ts'; connect();`, true],
  ['relay/b.ts', `import type { Session } from '../delivery/session.ts'; export type A = Session;`, false],
  ['relay/c.ts', `import { MemorySpool } from '../spool/memory.ts'; new MemorySpool();`, true],
  ['relay/d.ts', `import { parse } from '../mail/header.ts'; parse();`, false],
  ['delivery/a.ts', `import { Listener } from '../relay/listener.ts'; new Listener();`, true],
  ['delivery/b.ts', `import type {\n  Body,\n} from '../spool/spool.ts';\nexport type B = Body;`, false],
  ['policy/a.ts', `import { readFileSync } from 'node:fs'; readFileSync('x');`, true],
  ['policy/b.ts', `import { failureClasses } from '../delivery/failure.ts'; failureClasses.at(0);`, false],
  ['queue/a.ts', `import { open } from 'lmdb'; open({});`, true],
  ['spool/store.ts', `import { open } from 'lmdb'; open({});`, false],
  ['queue/b.ts', `import { Queue } from 'bullmq'; new Queue('a');`, true],
  ['queue/bull.ts', `import { Queue } from 'bullmq'; new Queue('a');`, false],
  ['delivery/c.ts', `import { connect } from 'node:net'; connect(25);`, true],
  ['delivery/d.ts', `import { isIP } from 'node:net'; isIP('connect');`, false],
  ['delivery/pop3-line.ts', `import { connect } from 'node:tls'; connect({});`, false],
  ['dns/a.ts', `import { decode } from 'dns-packet'; decode();`, true],
  ['cli/a.ts', `import { Dispatcher } from '../queue/dispatcher.ts'; new Dispatcher();`, true],
  ['config/a.ts', `import { connect } from '../delivery/connection.ts'; connect();`, true],
  ['config/b.ts', `import { knownServices } from '../delivery/services.ts'; knownServices.keys();`, false],
  ['config/c.ts', `import wellKnown from 'nodemailer/lib/well-known'; wellKnown('gmail');`, true],
  ['cli/b.ts', `import { fork } from 'node:child_process'; fork('a');`, true],
  ['queue/c.ts', `export const later = (fire: () => void) => setTimeout(fire, 10);`, true],
  ['queue/d.ts', `export const now = () => Date.now();`, true],
  ['clock/a.ts', `export const now = () => Date.now();`, false],
  [
    'queue/e.ts',
    `export const quiet = (socket: { setTimeout(ms: number): void }) => socket.setTimeout(0);`,
    false,
  ],
  [
    'queue/f.ts',
    `const f = async (): Promise<void> => undefined; export const g = (): void => { f(); };`,
    true,
  ],
];

test('each offence is found, and nothing else', () => {
  const folder = temporaryFolder();
  for (const part of ['biome.json', 'lint'])
    cpSync(join(root, part), join(folder, part), { recursive: true });
  for (const [path, source] of cases) {
    mkdirSync(dirname(join(folder, 'src', path)), { recursive: true });
    writeFileSync(join(folder, 'src', path), `${source}\n`);
  }
  const biome = join(root, 'node_modules/.bin/biome');
  const skipped = ['--skip=lint/correctness/noUndeclaredDependencies', '--max-diagnostics=none'];
  const { stdout } = spawnSync(biome, ['lint', '--reporter=json', ...skipped], {
    cwd: folder,
    encoding: 'utf8',
  });
  const found = new Set([...stdout.matchAll(/"src\/([a-z/]+\.ts)"/g)].map((match) => match[1]));
  expect([...found].sort()).toEqual(
    cases
      .filter(([, , offence]) => offence)
      .map(([path]) => path)
      .sort(),
  );
});
