// The few calls that the spool makes to the file system for content, in one replaceable piece.
// segments.ts, large.ts and space.ts write and read through it; the index has lmdb instead.
// Never retries and never hides an error: what failed is judged by the caller.
import { close, fdatasync, fsync, ftruncate, open, read, rename, statfsSync, unlink, writev } from 'node:fs';
import { promisify } from 'node:util';

/** Descriptors and offsets as POSIX has them; every call rejects with the system's error. */
export interface FileDoor {
  /** `flags` as fs.open takes them. */
  open(path: string, flags: string): Promise<number>;
  close(fd: number): Promise<void>;
  /** Writes all of it at `position`, or rejects. */
  write(fd: number, buffers: readonly Buffer[], position: number): Promise<void>;
  /** Fills `buffer` from `position`; resolves with the octets read, fewer only at the end of the file. */
  read(fd: number, buffer: Buffer, position: number): Promise<number>;
  /** fdatasync: content and length are on disk. */
  sync(fd: number): Promise<void>;
  /** Makes created, renamed and removed names of a folder last. */
  syncFolder(path: string): Promise<void>;
  truncate(fd: number, length: number): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  unlink(path: string): Promise<void>;
  /** Octets that this user may still write to the file system of `path`. */
  freeSpace(path: string): number;
}

const openFile = promisify(open);
const closeFile = promisify(close);
const writeVector = promisify(writev);
const readFile = promisify(read);

/** The real file system. */
export const systemFiles: FileDoor = {
  open: (path, flags) => openFile(path, flags),
  close: (fd) => closeFile(fd),
  async write(fd, buffers, position) {
    let rest = buffers;
    let at = position;
    while (rest.length > 0) {
      const { bytesWritten } = await writeVector(fd, rest, at);
      at += bytesWritten;
      rest = without(rest, bytesWritten);
    }
  },
  async read(fd, buffer, position) {
    let filled = 0;
    while (filled < buffer.length) {
      const { bytesRead } = await readFile(fd, buffer, filled, buffer.length - filled, position + filled);
      if (bytesRead === 0) break;
      filled += bytesRead;
    }
    return filled;
  },
  sync: promisify(fdatasync),
  async syncFolder(path) {
    const fd = await openFile(path, 'r');
    try {
      await promisify(fsync)(fd);
    } finally {
      await closeFile(fd);
    }
  },
  truncate: promisify(ftruncate),
  rename: promisify(rename),
  unlink: promisify(unlink),
  freeSpace(path) {
    const { bavail, bsize } = statfsSync(path);
    return bavail * bsize;
  },
};

/** What is left of `buffers` after the first `octets` of them: a write may stop short. */
function without(buffers: readonly Buffer[], octets: number): Buffer[] {
  const rest: Buffer[] = [];
  let skip = octets;
  for (const buffer of buffers) {
    if (skip >= buffer.length) skip -= buffer.length;
    else {
      rest.push(skip > 0 ? buffer.subarray(skip) : buffer);
      skip = 0;
    }
  }
  return rest;
}

/** The system's error code, `ENOSPC`, or undefined. */
export function errorCode(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException | null)?.code;
}

/** The disk, the quota of this user or the size of a file is at its limit. */
export function isFull(error: unknown): boolean {
  const code = errorCode(error);
  return code === 'ENOSPC' || code === 'EDQUOT';
}
