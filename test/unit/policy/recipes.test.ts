// docs/POLICY.md is true: its recipes load without a doubt and do what the tables under them say.
// Reads the page, and the examples of POLICY-DETAILS.md; the real loader, enqueue, settle and siteOf answer for each line.
// Never checks the wording.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { loadPolicy } from '../../../src/config/load-policy.ts';
import { formatProblem } from '../../../src/config/problem.ts';
import { formatDuration, formatRate, parseDuration, parseSize } from '../../../src/config/quantities.ts';
import type { Message } from '../../../src/mail/envelope.ts';
import type { RouteAuth } from '../../../src/policy/auth.ts';
import { backoffFor } from '../../../src/policy/backoff.ts';
import { decide } from '../../../src/policy/evaluate.ts';
import type { Policy } from '../../../src/policy/policy.ts';
import { quotaText, spanAt } from '../../../src/policy/quota.ts';
import { policySchema } from '../../../src/policy/schema.ts';
import { siteOf } from '../../../src/policy/sites.ts';
import { stageAt } from '../../../src/policy/warmup.ts';
import { enqueue } from '../../../src/queue/enqueue.ts';
import { differInSource, parseDestination } from '../../../src/queue/entry.ts';
import { factsOf } from '../../../src/queue/placement.ts';
import { type Moment, senderBudgets } from '../../../src/queue/quotas.ts';
import { settle } from '../../../src/queue/settle.ts';
import { temporaryFolder } from '../../harness/folder.ts';
import { examples, filesAmongRecipes, policyPage, type Row, recipes } from '../../harness/policy-page.ts';
import { contextAfter, failed } from './before.ts';

function policyOf(yaml: string): Policy {
  const file = join(temporaryFolder(), 'policy.yaml');
  writeFileSync(file, yaml);
  const names = [...yaml.matchAll(/\$\{env:(\w+)\}/g)].map(([, name]) => [name, 'secret']);
  const loaded = loadPolicy(file, { environment: Object.fromEntries(names) });
  const problems = 'problems' in loaded ? loaded.problems : loaded.warnings;
  if ('problems' in loaded || problems.length > 0) throw new Error(problems.map(formatProblem).join('\n'));
  return loaded.policy;
}

const arrived = Date.UTC(2026, 10, 24);

function messageOf({ From = '', To = '', At, Size = '1B' }: Row): Message {
  const from = From === '<>' ? '' : From;
  const size = parseSize(Size) ?? 0;
  return { id: '0', origin: 'client', arrived: arrivalOf(At), from, recipients: [To], size, eightBit: false };
}

function arrivalOf(at: string | undefined): number {
  return at === undefined ? arrived : Date.parse(at);
}

/** What follows for the row's recipient, in the words of the column `Then`. */
function mailThen(policy: Policy, row: Row): Row {
  const message = messageOf(row);
  const context = contextAfter(policy, row, message.arrived);
  const { rule, ending, priority } = decide(policy, factsOf(message, row.To ?? '', [], context));
  const asked: Row = 'Priority' in row ? { Priority: priority } : {};
  const told = (Then: string): Row => ({ ...row, ...asked, Rule: rule, Then });
  if (ending.kind === 'reject') return told(`rejected with ${ending.reply.code} ${ending.reply.enhanced}`);
  const [entry] = enqueue(message, context).entries;
  if (!entry) return told('discarded');
  if (entry.hold) return told('held');
  const opening = entry.due > message.arrived ? ` at ${new Date(entry.due).toISOString().slice(0, 16)}Z` : '';
  const first = `by ${parseDestination(entry.destination).route}${opening}`;
  if ((row['So far'] ?? 'new') === 'new') return told(first);

  const { failure, times, age } = soFar(row['So far'] ?? '');
  const now = arrived + age;
  const before = { ...entry, attempts: times - 1, routeAttempts: times - 1 };
  const outcomes = new Map([[0, { kind: 'failed', failure } as const]]);
  const { verdicts } = settle(before, message, outcomes, { ...context, now, random: () => 0.5 });
  const [verdict] = verdicts;
  if (verdict?.kind !== 'deferred')
    return told(verdict?.kind === 'expired' ? 'given up' : `${verdict?.kind}`);
  const { destination, due } = verdict.entry;
  const { route } = parseDestination(destination);
  if (differInSource(entry.destination, destination)) return told(`by ${route} from another address`);
  if (destination !== entry.destination) return told(`by ${route}`);
  return told(`again in ${formatDuration(due - now)}`);
}

/** `greylisted, 2 times`, `mailbox-full, 4 times, after 2d`, `blocked, for good`. */
function soFar(text: string) {
  const [name = '', how = '', late = 'after 0'] = text.split(', ');
  const permanent = how === 'for good';
  const times = permanent ? 1 : Number(/^(\d+) times?$/.exec(how)?.[1]);
  const age = parseDuration(late.replace(/^after /, ''));
  if (!(times > 0) || age === null) throw new Error(`not understood: ${text}`);
  const { failure } = failed(name, permanent);
  return { failure, times, age };
}

function siteThen(policy: Policy, row: Row): Row {
  const site = siteOf(policy, row.Domain ?? '', [row['Best MX'] ?? '']);
  const { name: Site, connections, rate, messagesPerConnection } = site;
  const Rate = rate ? formatRate(rate) : 'none';
  return { ...row, Site, Connections: `${connections}`, Rate, Messages: `${messagesPerConnection}` };
}

function loginOf(auth: RouteAuth | null): string {
  if (auth?.kind !== 'pop') return auth?.user ?? 'none';
  const { user, host, port } = auth.popBeforeSmtp;
  return `${user} at ${host}:${port}`;
}

function routeThen(policy: Policy, row: Row): Row {
  const route = policy.routes.get(row.Route ?? '');
  if (route?.via !== 'smarthost') throw new Error(`${row.Route} is no smarthost`);
  const hosts = route.hosts.map(
    ({ host, port, implicitTls }) => `${implicitTls ? 'smtps://' : ''}${host}:${port}`,
  );
  return { ...row, Host: hosts.join(', '), TLS: route.tls, Login: loginOf(route.auth) };
}

/** The three limits that providers have. */
function paceThen(policy: Policy, row: Row): Row {
  const route = policy.routes.get(row.Route ?? '');
  if (route?.via !== 'smarthost') throw new Error(`${row.Route} is no smarthost`);
  const { rate, quotas, recipients } = route;
  const { Host = '' } = routeThen(policy, row);
  const [quota] = quotas;
  if (quota?.window.kind !== 'rolling' || quotas.length > 1) throw new Error('not one rolling window');
  return {
    ...row,
    Host,
    Transactions: rate ? formatRate(rate) : 'none',
    'Recipients in all': `${quota.max} in ${formatDuration(quota.window.length)}`,
    'Of one transaction': `${recipients}`,
  };
}

/** What a reply of this host means for its site. */
function backoffThen(policy: Policy, row: Row): Row {
  const { backoff } = siteOf(policy, 'a.example', [row.At ?? '']);
  const action = backoffFor(backoff, row.Reply ?? '')?.action;
  const time = formatDuration(action?.ms ?? 0);
  const slow = action?.kind === 'slow' ? `slow to ${action.to * 100}% for ${time}` : `suspended for ${time}`;
  return { ...row, 'What follows': action ? slow : 'nothing' };
}

/** When the window of a route's quota opens. */
function windowThen(policy: Policy, row: Row): Row {
  const route = policy.routes.get(row.Route ?? '');
  const quotas = route && route.via !== 'discard' ? route.quotas : [];
  const quota = quotas.find((one) => quotaText(one) === row.Quota);
  if (!quota) throw new Error(`${row.Route} has no quota ${row.Quota}`);
  const { end } = spanAt(quota.window, Date.parse(row['Used up at'] ?? ''));
  return { ...row, Opens: new Date(end).toISOString().replace('.000', '') };
}

/** How many recipients may hear from an address on that day. */
function warmupThen(policy: Policy, row: Row): Row {
  const warmup = policy.warmups.get(row.Source ?? '');
  const stage = warmup && stageAt(warmup, Date.parse(row.At ?? ''));
  const most = stage?.kind === 'day' ? `${stage.quota.max}` : stage?.kind === 'ahead' ? 'none' : 'all';
  return { ...row, 'Recipients that day': most };
}

function sourceThen(policy: Policy, row: Row): Row {
  const route = policy.routes.get(row.Route ?? '');
  const pool = route && route.via !== 'discard' ? route.sources : [];
  const source = pool.find(({ address }) => address === row.Address);
  if (!source) throw new Error(`${row.Route} does not leave from ${row.Address}`);
  const whole = pool.reduce((sum, { weight }) => sum + weight, 0);
  return { ...row, EHLO: source.ehlo ?? 'hostname', Share: `${source.weight} of ${whole}` };
}

/** The quotas that a sender's mail comes under. */
function sentUnder(policy: Policy, row: Row): Row {
  const { Sender = '', Client = '' } = row;
  const from = Sender === '<>' ? '' : Sender;
  const mail = { from, client: { address: Client, helo: 'x', listenerPort: 25 } };
  const under = (moment: Moment): string => {
    const budgets = senderBudgets(policy, mail, moment);
    const texts = budgets.flatMap(({ key, quotas }) => quotas.map((quota) => `${key} ${quotaText(quota)}`));
    return texts.join(', ').replaceAll('accepted ', '') || 'none';
  };
  return {
    ...row,
    'Quotas of what is sent': under('attempt'),
    'Of what is accepted': under('acceptance'),
  };
}

/** Whom the mail goes to in the end, copies and added fields behind the address. */
function takenThen(policy: Policy, row: Row): Row {
  const { 'Given from': From = '', 'Given to': to = '' } = row;
  const given = { ...messageOf({ From }), recipients: to.split(', ') };
  const { message, entries } = enqueue(given, contextAfter(policy, row, given.arrived));
  const texts = message.recipients.map((address, index) => {
    const { edit, quiet } = entries.find(({ recipients }) => recipients.includes(index)) ?? {};
    const said = [...(quiet ? ['copy'] : []), ...(edit?.add ?? []).map(({ name }) => `+${name}`)];
    return said.length === 0 ? address : `${address} (${said.join(', ')})`;
  });
  return { ...row, 'Leaves from': message.from || '<>', 'Goes to': texts.join(', ') };
}

test('every file on the page is a recipe with lines to check', () => {
  expect(recipes.length).toBeGreaterThanOrEqual(29);
  expect(filesAmongRecipes).toEqual(recipes.map(({ yaml }) => yaml));
  expect(recipes.filter(({ yaml, rows }) => yaml === '' || rows.length === 0)).toEqual([]);
});

test('the examples that explain the language load, and their own tests pass', () => {
  expect(examples).toHaveLength(2);
  for (const yaml of examples) policyOf(yaml);
});

test.each(recipes)('$title', ({ yaml, rows }) => {
  const policy = policyOf(yaml);
  const found = rows.map((row) => {
    if ('Domain' in row) return siteThen(policy, row);
    if ('Goes to' in row) return takenThen(policy, row);
    if ('Source' in row) return warmupThen(policy, row);
    if ('Address' in row) return sourceThen(policy, row);
    if ('Sender' in row) return sentUnder(policy, row);
    if ('Reply' in row) return backoffThen(policy, row);
    if ('Of one transaction' in row) return paceThen(policy, row);
    if ('Quota' in row) return windowThen(policy, row);
    return 'Route' in row ? routeThen(policy, row) : mailThen(policy, row);
  });
  expect(found).toEqual(rows);
});

/** Keys that the loader knows and refuses. */
function refusedKeys(schema: unknown, keys = new Set<string>()): Set<string> {
  if (schema instanceof z.ZodObject) {
    for (const [key, inner] of Object.entries(schema.shape)) {
      if (inner instanceof z.ZodOptional && inner.unwrap() instanceof z.ZodCustom) keys.add(key);
      else refusedKeys(inner, keys);
    }
  } else if (schema instanceof z.ZodArray) refusedKeys(schema.element, keys);
  else if (schema instanceof z.ZodRecord) refusedKeys(schema.valueType, keys);
  else if (schema instanceof z.ZodUnion) for (const option of schema.options) refusedKeys(option, keys);
  else if (schema instanceof z.ZodPipe) for (const end of [schema.in, schema.out]) refusedKeys(end, keys);
  else if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault) {
    refusedKeys(schema.unwrap(), keys);
  }
  return keys;
}

test('the page names every key that has no function yet, and no other', () => {
  const list =
    policyPage
      .slice(policyPage.indexOf('## Not in this version'))
      .match(/^- .*$/gm)
      ?.join('\n') ?? '';
  const named = [...list.matchAll(/`(?:auth\.)?(\w+)`/g)].map(([, key]) => key);
  const refused = [...refusedKeys(policySchema({ routes: [], schedules: [] }))];
  expect([...new Set(named)].sort()).toEqual(refused.sort());
});
