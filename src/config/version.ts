// The version of this program, as package.json has it.
// The command line prints it, the metrics and the log name it.
// Never fails: a program that does not know its version still delivers mail.
import { readFileSync } from 'node:fs';

let known: string | null = null;

export function version(): string {
  known ??= read();
  return known;
}

function read(): string {
  try {
    const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
    return (JSON.parse(text) as { version: string }).version;
  } catch {
    return 'unknown';
  }
}
