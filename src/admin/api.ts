// The JSON interface: one route for each operation on the queue.
// server.ts registers it behind the guard; operations do the work.
// Never decides anything about mail, and never answers with more than the operation gave.
import type { FastifyInstance } from 'fastify';
import type { Observer } from '../observe/events.ts';
import type { Operations } from '../operations/operations.ts';
import {
  BadRequest,
  parseChange,
  parseChangeName,
  parseLimit,
  parseListing,
  parseMail,
  parseMailFacts,
  parsePolicyDiff,
  parseReroute,
} from './requests.ts';
import { addSuspensions } from './suspensions.ts';

export interface ApiOptions {
  readonly operations: Operations;
  readonly observer: Observer;
  /** Octets: the largest message that `send` takes. */
  readonly messageSize: number;
}

export function addApi(app: FastifyInstance, options: ApiOptions): void {
  addQueue(app, options);
  addChanges(app, options);
  addSend(app, options);
  addSuspensions(app, options);
  const { operations, observer } = options;
  app.get('/api/destinations', (request) => {
    const limit = parseLimit(request.query);
    const destinations = operations.destinations();
    return { destinations: destinations.slice(0, limit), total: destinations.length };
  });
  app.get('/api/explain', (request) => operations.explain(parseMailFacts(request.query)));
  app.get('/api/totals', () => operations.totals());
  app.get('/api/quotas', async () => ({ quotas: await operations.quotas() }));
  app.post('/api/policy/diff', (request) => operations.policyDiff(parsePolicyDiff(request.body)));
  app.post('/api/reload', async (_request, reply) => {
    const problems = await operations.reload();
    observer.info('admin: reload', { problems: problems.length });
    return reply.code(problems.length === 0 ? 200 : 422).send({ problems });
  });
}

function addQueue(app: FastifyInstance, { operations }: ApiOptions): void {
  app.get('/api/queue', (request) => {
    const { filter, limit } = parseListing(request.query);
    // One more than asked for tells whether there are more, without counting them all.
    const entries = operations.list(filter, limit + 1);
    return { entries: entries.slice(0, limit), more: entries.length > limit };
  });
  app.get<{ Params: { id: string } }>('/api/queue/:id', (request, reply) => {
    const view = operations.show(request.params.id);
    if (view === null)
      return reply.code(404).send({ error: `id: no message ${request.params.id} in the queue` });
    return reply.send(view);
  });
}

function addChanges(app: FastifyInstance, { operations, observer }: ApiOptions): void {
  app.post('/api/queue/reroute', async (request) => {
    const { filter, to } = parseReroute(request.body);
    const result = await operations.reroute(to, filter);
    if ('refused' in result) throw new BadRequest(result.refused);
    observer.info('admin: reroute', { filter, to, ...result });
    return result;
  });
  app.post<{ Params: { change: string } }>('/api/queue/:change', async (request, reply) => {
    const what = parseChangeName(request.params.change);
    if (what === null)
      return reply.code(404).send({ error: `change: ${request.params.change} is not known` });
    const { filter, reason } = parseChange(request.body);
    const result = await operations.change(what, filter, reason);
    observer.info(`admin: ${what}`, { filter, reason, ...result });
    return result;
  });
}

/** The message travels as it is, not inside JSON: any octets, no escapes, one size limit. */
function addSend(app: FastifyInstance, { operations, messageSize }: ApiOptions): void {
  app.addContentTypeParser<Buffer>(
    'message/rfc822',
    { parseAs: 'buffer', bodyLimit: messageSize },
    (_request, body, done) => done(null, body),
  );
  app.post('/api/send', { bodyLimit: messageSize }, async (request, reply) => {
    const mail = parseMail(request.query);
    const content = Buffer.isBuffer(request.body) && request.body.length > 0 ? { content: request.body } : {};
    const sent = await operations.send({ ...mail, ...content });
    if ('refused' in sent) return reply.code(422).send({ error: sent.refused });
    return reply.code(201).send(sent);
  });
}
