#!/usr/bin/env node
// Starts the built program; says what to do where it cannot run.
import { fileURLToPath } from 'node:url';

const [major, minor] = process.versions.node.split('.').map(Number);
if (major < 22 || (major === 22 && minor < 19)) {
  process.stderr.write(`sendoff needs Node 22.19 or newer, this is ${process.versions.node}\n`);
  process.exit(69);
}

// V8 lets the space for young objects grow to 3 x 16 MB and more under load and keeps it. Half of that
// costs no throughput and saves the daemon 100 MB; the flag is read only when a process begins.
const YOUNG_SPACE = '--max-semi-space-size=8';
if (process.argv.includes('serve') && process.execve && !process.execArgv.includes(YOUNG_SPACE)) {
  const script = fileURLToPath(import.meta.url);
  const args = [YOUNG_SPACE, ...process.execArgv, script, ...process.argv.slice(2)];
  process.execve(process.execPath, [process.execPath, ...args], process.env);
}
await import('../dist/main.js');
