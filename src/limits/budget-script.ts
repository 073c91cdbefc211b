// The Lua side of budgets: all windows of one budget are checked and counted in one step.
// budget-account.ts asks with what this daemon has and wants; every daemon on this Redis does.
// Never takes a daemon's own count down or up by a difference: each says what it has, so that a count that Redis lost
// is there again with the next word.
import type { Scripts } from '../redis/scripts.ts';
import type { Counted, Elsewhere } from './budget-counter.ts';

/** What a daemon says of one window, and asks for. */
export interface WindowRequest {
  readonly key: string;
  readonly max: number;
  readonly isPerMessage: boolean;
  /** This process does not know yet what Redis has under the daemon's name. */
  readonly isNew: boolean;
  /** Its own, the present stretch last. */
  readonly own: readonly Counted[];
  /** Used of the present stretch. */
  readonly used: number;
  /** Stretches from here on count. */
  readonly since: number;
  /** Milliseconds for which Redis keeps the window at least. */
  readonly keep: number;
}

export interface BudgetRequest {
  /** Names this daemon's counts; another start of it goes on with them. */
  readonly daemon: string;
  /** Of one message; 0: only says what this daemon has. */
  readonly recipients: number;
  /** The most that may be lent beyond them. */
  readonly ahead: number;
  /** After a start or a loss of Redis nothing is lent for so long (ms): every daemon says first what it has. */
  readonly settle: number;
  readonly windows: readonly WindowRequest[];
}

export interface BudgetAnswer {
  /** Milliseconds until anything is lent again. */
  readonly settling: number;
  /** Of those that were asked for. */
  readonly recipients: number;
  readonly windows: readonly {
    /** In the present stretch, what was used included. */
    readonly lent: number;
    /** What Redis had in the present stretch under the daemon's name. */
    readonly had: number;
    readonly elsewhere: Elsewhere;
  }[];
}

/** With less left than this nothing is lent ahead. */
export const PLENTY = 64;

/** And never more than this part of what is left. */
export const SHARE = 16;

/** Names the life of a Redis: another one where it was emptied or started again. */
const EPOCH_KEY = 'budgets';

const EPOCH = `
local function since(settle)
  if settle == 0 then return 0, 0 end
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  -- A provider may refuse INFO: then an emptied Redis is seen, and one that began again is not.
  local info = redis.pcall('INFO', 'server')
  local run = type(info) == 'string' and string.match(info, 'run_id:(%x+)') or ''
  local epoch = redis.call('HMGET', KEYS[1], 'run', 'since')
  if epoch[1] ~= run then
    epoch[2] = now
    redis.call('HSET', KEYS[1], 'run', run, 'since', now)
  end
  return tonumber(epoch[2]), math.max(0, epoch[2] + settle - now)
end
`;

/**
 * KEYS: the epoch, then a hash for each window, with a field for each stretch and daemon (\`start daemon\`).
 * ARGV: daemon, settle, recipients, ahead; then for each window max, per message, new, used, since, keep, the number
 * of own stretches, and each with its start and count. What is lent ahead is a sixteenth of what is left, and nothing
 * when that is little: near its end a budget is handed out one by one.
 */
const RESERVE = `${EPOCH}
local _, settling = since(tonumber(ARGV[2]))
local daemon, fits, ahead = ARGV[1], tonumber(ARGV[3]), tonumber(ARGV[4])
if settling > 0 then fits, ahead = 0, 0 end
local windows, next = {}, 5
for i = 2, #KEYS do
  local w = { max = tonumber(ARGV[next]), message = ARGV[next + 1] == '1', used = tonumber(ARGV[next + 3]),
    keep = ARGV[next + 5], own = {}, elsewhere = 0, oldest = false }
  local new, first, count = ARGV[next + 2] == '1', tonumber(ARGV[next + 4]), tonumber(ARGV[next + 6])
  next = next + 7
  for n = 1, count do
    w.field = ARGV[next] .. ' ' .. daemon
    w.own[w.field] = tonumber(ARGV[next + 1])
    next = next + 2
  end
  local stored = redis.call('HGETALL', KEYS[i])
  w.had = 0
  for n = 1, #stored, 2 do
    local start, value = tonumber(string.match(stored[n], '^%d+')), tonumber(stored[n + 1])
    if w.own[stored[n]] then
      if stored[n] == w.field then w.had = value end
    elseif start < first then redis.call('HDEL', KEYS[i], stored[n])
    elseif value > 0 then
      w.elsewhere = w.elsewhere + value
      if not w.oldest or start < w.oldest then w.oldest = start end
    end
  end
  local past = 0
  for field, value in pairs(w.own) do
    if field ~= w.field then past = past + value end
  end
  if new then
    w.used = math.max(w.used, w.had)
    w.own[w.field] = math.max(w.own[w.field], w.had)
  end
  w.room = w.max - w.elsewhere - past - w.used
  if w.message then if w.room < 1 then fits = 0 end
  else fits = math.max(0, math.min(fits, w.room)) end
  windows[#windows + 1] = w
end
local answer = { settling, fits }
for i, w in ipairs(windows) do
  local cost = fits
  if w.message then cost = math.min(1, fits) end
  local spare = w.room - cost
  local extra = 0
  if spare >= ${PLENTY} then extra = math.min(ahead, math.floor(spare / ${SHARE})) end
  local lent = math.max(w.own[w.field], w.used + cost + extra)
  w.own[w.field] = lent
  for field, value in pairs(w.own) do
    if value > 0 then redis.call('HSET', KEYS[i + 1], field, value) else redis.call('HDEL', KEYS[i + 1], field) end
  end
  redis.call('PEXPIRE', KEYS[i + 1], w.keep)
  local base = 4 * i - 1
  answer[base], answer[base + 1], answer[base + 2], answer[base + 3] = lent, w.had, w.elsewhere, w.oldest or -1
end
return answer`;

/** Never rejects for a Redis that is away: null. */
export async function reserveIn(scripts: Scripts, request: BudgetRequest): Promise<BudgetAnswer | null> {
  const { daemon, settle, recipients, ahead, windows } = request;
  const args = windows.flatMap(({ max, isPerMessage, isNew, used, since, keep, own }) => [
    max,
    isPerMessage ? 1 : 0,
    isNew ? 1 : 0,
    used,
    since,
    Math.ceil(keep),
    own.length,
    ...own.flatMap(([start, , count]) => [start, count]),
  ]);
  const keys = [EPOCH_KEY, ...windows.map(({ key }) => key)];
  const fixed = [daemon, settle, recipients, ahead];
  const answer = await scripts.run(RESERVE, keys, [...fixed, ...args]).catch(() => null);
  return answer === null ? null : read(answer as number[], windows.length);
}

function read([settling = 0, recipients = 0, ...rest]: readonly number[], count: number): BudgetAnswer {
  const windows = Array.from({ length: count }, (_, i) => {
    const [lent = 0, had = 0, elsewhere = 0, oldest = -1] = rest.slice(4 * i, 4 * i + 4);
    return { lent, had, elsewhere: { count: elsewhere, oldest: oldest < 0 ? null : oldest } };
  });
  return { settling, recipients, windows };
}

const LIFE = `${EPOCH}
return string.format('%d', (since(tonumber(ARGV[1]))))`;

/** Another text after Redis lost what it held, or may have; null while it is away. */
export async function lifeOf(scripts: Scripts, settle: number): Promise<string | null> {
  const life = await scripts.run(LIFE, [EPOCH_KEY], [settle]).catch(() => null);
  return life === null ? null : String(life);
}
