// Sees to it that a Redis is there before the daemon or the tests need one; installs it when it may.
// Run by `npm start` (with --unless-configured) and by `npm test`, in a checkout.
// Never starts a service, and never touches a Redis that is there.
import { spawnSync } from 'node:child_process';
import process from 'node:process';
import { decide, servers } from './redis-install.ts';

/** EX_UNAVAILABLE of sysexits.h. */
const UNAVAILABLE = 69;

function has(command: string): boolean {
  return spawnSync('sh', ['-c', 'command -v "$1"', 'sh', command], { stdio: 'ignore' }).status === 0;
}

/** Whether the settings name a Redis: then no server is needed on this machine. Mistakes are the daemon's to say. */
async function configured(): Promise<boolean> {
  const { loadSettings } = await import('../src/config/load.ts');
  const loaded = loadSettings({ environment: process.env });
  return 'settings' in loaded && loaded.settings.redisUrl !== null;
}

function fail(text: string): never {
  process.stderr.write(`${text}\n`);
  process.exit(UNAVAILABLE);
}

function ensureRedis(): void {
  const step = decide({
    has,
    root: process.getuid?.() === 0,
    sudo: has('sudo') && spawnSync('sudo', ['-n', 'true'], { stdio: 'ignore' }).status === 0,
    forbidden: !['', '0', undefined].includes(process.env.SENDOFF_NO_INSTALL),
  });
  if (step.kind === 'nothing') return;
  if (step.kind === 'ask') fail(step.text);
  process.stderr.write(`${step.text}\n`);
  const [command = 'sh', ...args] = step.command;
  // What a package manager says goes to stderr: the output of `npm start` is the daemon's log.
  spawnSync(command, args, { stdio: ['ignore', 2, 2] });
  if (!servers.some(has)) fail(`that did not work: install ${servers.join(' or ')} by hand`);
}

const optional = process.argv.includes('--unless-configured');
if (!servers.some(has) && !(optional && (await configured()))) ensureRedis();
