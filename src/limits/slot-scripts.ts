// The Lua side of slots: what all daemons on one Redis do to the same lines and leases, each in one step.
// slots.ts runs them; every time in them is Redis's own.
// Never trusts a daemon to say goodbye: leases and places in a line end by themselves.

/**
 * For each limit there are two keys: `slots`, a sorted set of leases by the time at which they end, and `line`, a
 * hash of the daemons that wait (`since until`). Whoever waits longest goes first; a daemon that is not in the line
 * goes behind all that are.
 */
const COMMON = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local daemon, lease, patience = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])

local function open(slots)
  redis.call('ZREMRANGEBYSCORE', slots, '-inf', now)
  return redis.call('ZCARD', slots)
end

local function lend(slots, slot)
  redis.call('ZADD', slots, now + lease, slot)
  redis.call('PEXPIRE', slots, lease)
end

-- How many other daemons wait, how many of them before this one, and since when this one does.
local function others(line)
  local entries = redis.call('HGETALL', line)
  local waiting, before, mine = {}, 0, now
  for i = 1, #entries, 2 do
    local since, ends = string.match(entries[i + 1], '(%d+) (%d+)')
    if tonumber(ends) <= now then redis.call('HDEL', line, entries[i])
    elseif entries[i] == daemon then mine = tonumber(since)
    else waiting[#waiting + 1] = tonumber(since) end
  end
  for _, since in ipairs(waiting) do
    if since <= mine then before = before + 1 end
  end
  return #waiting, before, mine
end

local function wait(line, since)
  redis.call('HSET', line, daemon, string.format('%d %d', since, now + patience))
  redis.call('PEXPIRE', line, patience)
end
`;

/** In the place of an answer: Redis knows of fewer slots than the daemon holds. */
export const FORGOTTEN = -1;

/**
 * KEYS: slots and line of each limit. ARGV: daemon, lease, patience, slot, then for each limit the number that it
 * allows and how many this daemon holds. Returns the place of the limit that is full (from 1; 0: a slot was taken
 * under all; FORGOTTEN: none was), then for each limit how many are open now and how many daemons go first.
 */
export const TAKE = `${COMMON}
local full, answer = 0, { 0 }
for i = 1, #KEYS / 2 do
  local count = open(KEYS[2 * i - 1])
  if count < tonumber(ARGV[4 + 2 * i]) then return { ${FORGOTTEN} } end
  local _, before, since = others(KEYS[2 * i])
  if full == 0 and count + before >= tonumber(ARGV[3 + 2 * i]) then
    full = i
    wait(KEYS[2 * i], since)
  end
  answer[2 * i] = count
  answer[2 * i + 1] = before
end
answer[1] = full
if full > 0 then return answer end
for i = 1, #KEYS / 2 do
  lend(KEYS[2 * i - 1], ARGV[4])
  redis.call('HDEL', KEYS[2 * i], daemon)
  answer[2 * i] = answer[2 * i] + 1
end
return answer`;

/** KEYS: slots of each limit. ARGV: the slot. */
export const RELEASE = `
for i = 1, #KEYS do redis.call('ZREM', KEYS[i], ARGV[1]) end`;

/**
 * KEYS: slots and line of each limit. ARGV: daemon, lease, patience, then for each limit whether this daemon waits
 * for it (1 or 0), how many slots it holds, and those. Returns for each limit how many are open, how many other
 * daemons wait, and how many of them go first.
 */
export const BEAT = `${COMMON}
local answer, next = {}, 4
for i = 1, #KEYS / 2 do
  local held = tonumber(ARGV[next + 1])
  for n = 1, held do lend(KEYS[2 * i - 1], ARGV[next + 1 + n]) end
  local waiting, before, since = others(KEYS[2 * i])
  if ARGV[next] == '1' then wait(KEYS[2 * i], since) end
  answer[3 * i - 2] = open(KEYS[2 * i - 1])
  answer[3 * i - 1] = waiting
  answer[3 * i] = before
  next = next + 2 + held
end
return answer`;
