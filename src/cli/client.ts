// A caller of the running daemon's admin interface.
// Commands ask it; it turns answers into data, and refusals into errors with an exit code.
// Never retries: a person or a script is waiting.
import { type IncomingMessage, type RequestOptions, request } from 'node:http';
import type { Settings } from '../config/settings.ts';
import { CommandError, type ExitCode, exitCodes } from './exit.ts';

/** Silence after which the daemon is given up: longer than its slowest answer, a commit on a busy disk. */
const SILENCE_MS = 30_000;

export type Query = Readonly<Record<string, string | readonly string[] | undefined>>;

export interface AdminClient {
  /** The answer's JSON, as `Operations` has it. Rejects with CommandError. */
  get(path: string, query?: Query): Promise<unknown>;
  /** `body` is sent as JSON, a Buffer as a message. */
  post(path: string, body: unknown, query?: Query): Promise<unknown>;
}

export function adminClient({ address, port, token }: Settings['admin']): AdminClient {
  const host = reachable(address);
  const call = async (
    method: string,
    path: string,
    query: Query,
    content: Content | null,
  ): Promise<unknown> => {
    const headers = {
      ...(token === null ? {} : { authorization: `Bearer ${token}` }),
      ...(content === null ? {} : { 'content-type': content.type, 'content-length': content.body.length }),
    };
    const options = { host, port, method, path: path + queryString(query), headers, timeout: SILENCE_MS };
    const where = `${host.includes(':') ? `[${host}]` : host}:${port}`;
    return judge(await exchange(options, content?.body ?? null, where), where);
  };
  return {
    get: (path, query = {}) => call('GET', path, query, null),
    post: (path, body, query = {}) => call('POST', path, query, contentOf(body)),
  };
}

interface Content {
  readonly type: string;
  readonly body: Buffer;
}

interface Answer {
  readonly status: number;
  readonly text: string;
}

function contentOf(body: unknown): Content {
  if (Buffer.isBuffer(body)) return { type: 'message/rfc822', body };
  return { type: 'application/json', body: Buffer.from(JSON.stringify(body)) };
}

/** A daemon that listens on all addresses is asked on loopback. */
function reachable(address: string): string {
  if (address === '0.0.0.0') return '127.0.0.1';
  return address === '::' ? '::1' : address;
}

function queryString(query: Query): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value === undefined) continue;
    for (const one of typeof value === 'string' ? [value] : value) parameters.append(name, one);
  }
  return parameters.size === 0 ? '' : `?${parameters}`;
}

function exchange(options: RequestOptions, body: Buffer | null, where: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const fail = (error: NodeJS.ErrnoException): void => reject(unreachable(error, where));
    const sent = request(options, (response: IncomingMessage) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', fail);
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString() }),
      );
    });
    sent.on('timeout', () =>
      sent.destroy(Object.assign(new Error('no answer in time'), { code: 'ETIMEDOUT' })),
    );
    sent.on('error', fail);
    sent.end(body ?? undefined);
  });
}

function unreachable(error: NodeJS.ErrnoException, where: string): CommandError {
  const reason = error.code === 'ECONNREFUSED' ? 'connection refused' : error.message;
  return new CommandError(
    exitCodes.unavailable,
    `no daemon answers at ${where} (${reason}): start it with "sendoff serve", or see admin.address and admin.port`,
  );
}

function judge({ status, text }: Answer, where: string): unknown {
  let answer: unknown;
  try {
    answer = JSON.parse(text);
  } catch {
    throw new CommandError(
      exitCodes.unavailable,
      `what answers at ${where} is not Sendoff: see admin.address and admin.port`,
    );
  }
  if (status < 300) return answer;
  const { error, problems } = answer as { error?: string; problems?: readonly string[] };
  if (problems !== undefined)
    throw new CommandError(exitCodes.configuration, 'the old policy stays in force', problems);
  throw new CommandError(codeOf(status), error ?? `the daemon answered ${status}`);
}

function codeOf(status: number): ExitCode {
  switch (status) {
    case 400:
      return exitCodes.usage;
    case 401:
    case 403:
      return exitCodes.configuration;
    case 404:
      return exitCodes.noInput;
    case 413:
    case 422:
      return exitCodes.dataError;
    default:
      return exitCodes.temporary;
  }
}
