// A process that takes the lock of a folder, says what it got, and ends when its input does.
// lock.test.ts starts it as `node locking.ts FOLDER`.
// Never releases the lock in order: a crash must do.
import { lockFolder } from '../../../src/spool/lock.ts';

const lock = await lockFolder(process.argv[2] ?? '');
process.stdout.write('release' in lock ? 'owner\n' : `${lock.heldBy}\n`);
process.stdin.on('end', () => process.exit());
process.stdin.resume();
