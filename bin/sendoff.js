#!/usr/bin/env node
// Starts the built program; says what to do where it cannot run.
const [major, minor] = process.versions.node.split('.').map(Number);
if (major < 22 || (major === 22 && minor < 19)) {
  process.stderr.write(`sendoff needs Node 22.19 or newer, this is ${process.versions.node}\n`);
  process.exit(69);
}
await import('../dist/main.js');
