// The admin's HTTP server: health, readiness, metrics and the interface that the CLI speaks.
// daemon.ts starts it last and stops it first; api.ts has the routes, guard.ts the checks before them.
// Never listens beyond loopback without a token, and never shows an internal error to a client.
import type { AddressInfo } from 'node:net';
import { hostname } from 'node:os';
import fastify, { type FastifyError, type FastifyInstance, type FastifyRequest } from 'fastify';
import { isLoopback } from '../config/network.ts';
import type { Observer } from '../observe/events.ts';
import { SpoolError } from '../spool/spool.ts';
import { type ApiOptions, addApi } from './api.ts';
import { type GuardOptions, refuse } from './guard.ts';

export interface AdminOptions extends ApiOptions {
  readonly address: string;
  /** 0: any free port. */
  readonly port: number;
  readonly token: string | null;
  readonly metrics: { render(): Promise<string>; readonly contentType: string };
}

export interface Admin {
  readonly address: string;
  /** The port that is in fact listened on. */
  readonly port: number;
  /** Ends open requests too. */
  close(): Promise<void>;
}

/** JSON bodies carry a filter and a reason. */
const JSON_LIMIT = 16 * 1024;
/** From the first octet of a request to its last; a local client needs far less even for 50 MB. */
const REQUEST_TIMEOUT_MS = 60_000;

/** Rejects when the address may not or cannot be listened on. */
export async function startAdmin(options: AdminOptions): Promise<Admin> {
  const { address, port, token } = options;
  if (token === null && !isLoopback(address)) {
    throw new Error(`admin: ${address} is not a loopback address: set admin.token, or listen on 127.0.0.1`);
  }
  const app = fastify({
    bodyLimit: JSON_LIMIT,
    requestTimeout: REQUEST_TIMEOUT_MS,
    forceCloseConnections: true,
  });
  app.removeContentTypeParser('text/plain');
  addGuard(app, { address, token, names: [hostname()] });
  addErrors(app, options.observer);
  addHealth(app, options);
  addApi(app, options);
  try {
    await app.listen({ host: address, port });
  } catch (error) {
    await app.close();
    throw new Error(`admin: cannot listen on ${address} port ${port}: ${(error as Error).message}`, {
      cause: error,
    });
  }
  const bound = app.server.address() as AddressInfo;
  return { address: bound.address, port: bound.port, close: () => app.close() };
}

/** Probes of an orchestrator have no token and learn nothing about mail. */
const openPaths = new Set(['/healthz', '/readyz']);

function addGuard(app: FastifyInstance, options: GuardOptions): void {
  app.addHook('onRequest', async (request, reply) => {
    const refusal = refuse(request.headers, openPaths.has(request.routeOptions.url ?? ''), options);
    if (refusal === null) return;
    if (refusal.status === 401) reply.header('www-authenticate', 'Bearer realm="sendoff"');
    return reply.code(refusal.status).send({ error: refusal.error });
  });
}

function addHealth(app: FastifyInstance, { operations, metrics }: AdminOptions): void {
  app.get('/healthz', () => ({ alive: true }));
  app.get('/readyz', async (_request, reply) => {
    const readiness = await operations.readiness();
    return reply.code(readiness.ready ? 200 : 503).send(readiness);
  });
  app.get('/metrics', async (_request, reply) => {
    const text = await metrics.render();
    return reply.type(metrics.contentType).send(text);
  });
}

function addErrors(app: FastifyInstance, observer: Observer): void {
  app.setNotFoundHandler((request, reply) =>
    reply.code(404).send({ error: `${request.method} ${pathOf(request)} is not known` }),
  );
  app.setErrorHandler((error: FastifyError, request, reply) => {
    const status = error.statusCode ?? 500;
    if (status < 500) return reply.code(status).send({ error: error.message });
    if (error instanceof SpoolError) return reply.code(503).send({ error: error.message });
    observer.warn('admin: request failed', {
      method: request.method,
      path: pathOf(request),
      error: error.stack ?? String(error),
    });
    return reply.code(500).send({ error: 'internal error; the log has the reason' });
  });
}

function pathOf(request: FastifyRequest): string {
  return request.url.replace(/\?.*$/, '');
}
