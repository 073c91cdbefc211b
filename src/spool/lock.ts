// The lock of the data folder: one daemon at a time, known by a socket that dies with its process.
// daemon.ts takes it before anything in the folder is opened, and releases it last.
// Never trusts a pid or a file's age: only a socket that answers is alive.
import { randomBytes } from 'node:crypto';
import { closeSync, existsSync, mkdirSync, openSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';

export interface Lock {
  /** Lets the folder go. Safe twice. */
  release(): Promise<void>;
}

/** What a socket in the folder says of its process. */
type Standing = 'owner' | 'candidate' | 'dead';

const SUFFIX = '.sock';
/** Longest path of a unix socket, less one octet for NUL: 104 on macOS, 108 on Linux. */
const LONGEST_PATH = 103;
/** On Linux a long path has a short name: the folder's descriptor. */
const DESCRIPTORS = '/proc/self/fd';
/** Milliseconds of silence after which a process counts as alive and ours to respect: it is stopped. */
const ANSWER_WITHIN = 1000;

/**
 * Takes the folder (made when it is missing), or names the process that has it. Works between
 * containers that share the folder, not between machines. Rejects with the system's error.
 *
 * Each candidate first shows itself by a listening socket, then looks at all others. So of two that
 * start together at least one sees the other; when both do, the later name gives way at once, and the
 * earlier one waits to hear that it did.
 */
export async function lockFolder(folder: string): Promise<Lock | { readonly heldBy: number }> {
  const home = new Home(join(folder, 'lock'));
  const name = `${process.pid}-${randomBytes(4).toString('hex')}${SUFFIX}`;
  const own = new Candidate(home, name);
  try {
    await own.show();
    const rival = await findRival(home, name);
    if (rival === null) return own.win();
    await own.release();
    return { heldBy: Number.parseInt(rival, 10) };
  } catch (error) {
    await own.release();
    throw error;
  }
}

/** The folder of the sockets. */
class Home {
  readonly #folder: string;
  #fd: number | null;

  constructor(folder: string) {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    this.#folder = folder;
    this.#fd = existsSync(DESCRIPTORS) ? openSync(folder, 'r') : null;
  }

  names(): string[] {
    return readdirSync(this.#folder).filter((name) => name.endsWith(SUFFIX));
  }

  /** A path that a socket can have. */
  path(name: string): string {
    const path = join(this.#fd === null ? this.#folder : `${DESCRIPTORS}/${this.#fd}`, name);
    if (Buffer.byteLength(path) <= LONGEST_PATH) return path;
    throw new Error(`the path of the data folder is too long for a socket in it: ${path}`);
  }

  close(): void {
    if (this.#fd !== null) closeSync(this.#fd);
    this.#fd = null;
  }
}

/** This process's socket in the folder. */
class Candidate implements Lock {
  readonly #home: Home;
  readonly #name: string;
  readonly #server: Server;
  readonly #asking = new Set<Socket>();
  #state: 'asking' | 'owner' | 'released' = 'asking';

  constructor(home: Home, name: string) {
    this.#home = home;
    this.#name = name;
    this.#server = createServer((socket) => this.#answer(socket));
    this.#server.unref();
  }

  /** Appears in the folder only when it listens already: nobody can take it for dead. */
  async show(): Promise<void> {
    const hidden = this.#home.path(this.#name.slice(0, -SUFFIX.length));
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(hidden, resolve);
    });
    renameSync(hidden, this.#home.path(this.#name));
  }

  win(): this {
    this.#state = 'owner';
    for (const socket of this.#asking) socket.end('owner');
    return this;
  }

  /** A candidate keeps the line open until it has won or given way. */
  #answer(socket: Socket): void {
    socket.unref();
    socket.on('error', () => socket.destroy());
    if (this.#state === 'owner') {
      socket.end('owner');
      return;
    }
    this.#asking.add(socket);
    socket.on('close', () => this.#asking.delete(socket));
    socket.write('candidate ');
  }

  async release(): Promise<void> {
    if (this.#state === 'released') return;
    this.#state = 'released';
    rmSync(this.#home.path(this.#name), { force: true });
    for (const socket of this.#asking) socket.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#home.close();
  }
}

/** The name of a live process that has the folder or comes before us, or null. Removes dead sockets. */
async function findRival(home: Home, own: string): Promise<string | null> {
  for (const other of home.names()) {
    if (other === own) continue;
    const path = home.path(other);
    if ((await standingOf(path, own < other)) !== 'dead') return other;
    // Names are never used twice, so this cannot hit a newcomer.
    rmSync(path, { force: true });
  }
  return null;
}

/** Asks the process behind a socket; with `wait`, a candidate is heard until it has won or is gone. */
function standingOf(path: string, wait: boolean): Promise<Standing> {
  return new Promise((resolve) => {
    let answer = '';
    const socket = connect(path);
    const end = (standing: Standing): void => {
      socket.destroy();
      resolve(standing);
    };
    socket.setEncoding('latin1');
    socket.setTimeout(ANSWER_WITHIN, () => end('owner'));
    socket.on('data', (text: string) => {
      answer += text;
      if (answer.endsWith('owner')) end('owner');
      else if (!wait) end('candidate');
    });
    socket.on('end', () => end('dead'));
    // Refused: nobody listens. Gone, reset: it gave way or died. Anything else may be alive.
    socket.on('error', ({ code }: NodeJS.ErrnoException) => {
      end(code === 'ECONNREFUSED' || code === 'ENOENT' || code === 'ECONNRESET' ? 'dead' : 'owner');
    });
  });
}
