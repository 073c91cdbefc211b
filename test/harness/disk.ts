// A disk that can be told to fail: the real file system, with faults where the spool writes bodies.
// Stands in for systemFiles in the daemon under test.
// Never loses what it said was written: only what it refused is missing.
import { type FileDoor, systemFiles } from '../../src/spool/files.ts';

/** `full`: no write finds room. `fsync-fails`: what was written cannot be made to last. */
export type DiskState = 'well' | 'full' | 'fsync-fails';

export class FaultyDisk implements FileDoor {
  state: DiskState = 'well';
  readonly open = systemFiles.open;
  readonly close = systemFiles.close;
  readonly read = systemFiles.read;
  readonly syncFolder = systemFiles.syncFolder;
  readonly truncate = systemFiles.truncate;
  readonly rename = systemFiles.rename;
  readonly unlink = systemFiles.unlink;
  readonly freeSpace = systemFiles.freeSpace;

  async write(fd: number, buffers: readonly Buffer[], position: number): Promise<void> {
    if (this.state !== 'full') return systemFiles.write(fd, buffers, position);
    // A disk that fills up takes the first octets and then no more.
    const [first] = buffers;
    if (first) await systemFiles.write(fd, [first.subarray(0, 10)], position);
    throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
  }

  async sync(fd: number): Promise<void> {
    await systemFiles.sync(fd);
    if (this.state !== 'fsync-fails') return;
    // A disk that fails has tried for a while, and others wait for it by then.
    await new Promise((resolve) => setTimeout(resolve, 300));
    throw Object.assign(new Error('EIO: i/o error, fdatasync'), { code: 'EIO' });
  }
}
