-- Limits of jobs: how many run at a time (slots), how many start in a time (rate).
-- KEYS   1 the queue: sorted set of job ids, score = Unix ms at which the job may start
-- ARGV   now in Unix ms ('': the server's clock), verb, lease in ms, ms that a low job is behind,
--        then by verb
--          acquire, free, renew: each job that asks, runs or ran, as JSON (see limits.py: Want)
--          free_all: an incarnation, then the ids of its jobs
-- Reply  acquire: for each job {0, ''} it may start, {1, ms} it waits and may ask again at that
--        time, {2, id} it is skipped since that job runs; else how many jobs were looked at
-- Cost   O(log n) per job and limit, and a look at the first who wait for each limit, at 1,000 more
--        in all when those have left the queue; call it with at most 100 jobs
-- Atomic per call. Keys are made from ids and names, so one Redis node must hold them all:
--        almanac:limit:slots:{name}          sorted set: job id, Unix ms at which its lease ends
--        almanac:limit:rate:{name}           GCRA's theoretical arrival time, Unix microseconds
--        almanac:limit:{kind}-waiting:{name} sorted set: job id, microseconds of its first refusal
--        almanac:limit:job:{id}              the JSON with which a running job was let in
--        Each of them expires. A job that has to wait for one limit holds nothing of another.

local queue, verb = KEYS[1], ARGV[2]
local lease, behind = tonumber(ARGV[3]), tonumber(ARGV[4])
local FIRST = 5 -- argument of what the verb is about
local claims, low_lane, high_lane = queue .. ':claims', queue .. ':low', queue .. ':high'
local LATENESS = 1000000 -- microseconds, at most, that a waiter may be late for its turn
local CHUNK = 100 -- waiters looked at in one go, after the very first
local budget = 10 -- chunks that one call may look at, whatever the number of its limits
local SLACK = 3600000 -- ms for which a line outlives the last expected turn

local now_us -- microseconds, because the interval of a rate need not be whole milliseconds
if ARGV[1] == '' then
  local time = redis.call('TIME')
  now_us = time[1] * 1000000 + time[2]
else
  now_us = ARGV[1] * 1000
end
local now = math.floor(now_us / 1000)

local function record(id)
  return 'almanac:limit:job:' .. id
end

local function live_for(key, ms)
  if redis.call('PEXPIRE', key, ms, 'NX') == 0 then
    redis.call('PEXPIRE', key, ms, 'GT')
  end
end

-- How many jobs may start now. A rate is GCRA with a burst of its limit.
local function free_places(line)
  if line.interval then
    return line.limit - math.ceil(math.max(line.arrival - now_us, 0) / line.interval)
  end
  return line.limit - line.held
end

-- Who comes next: as many of the first waiters as there are free places, at least one, of those that
-- are in the queue and not claimed. A claimed one is being refused at this moment and told to ask
-- again, or runs without asking. Who left the queue leaves the line too.
local function head_of(line)
  local places = math.max(free_places(line), 1)
  local head, from, size = {}, 0, math.min(places + 4, CHUNK)
  while true do
    local entries = redis.call('ZRANGE', line.waiting, from, from + size - 1, 'WITHSCORES')
    if #entries == 0 then
      break
    end
    local ids = {}
    for i = 1, #entries, 2 do
      ids[#ids + 1] = entries[i]
    end
    local queued = redis.call('ZMSCORE', queue, unpack(ids))
    local claimed = redis.call('HMGET', claims, unpack(ids))
    local gone = {}
    for i, id in ipairs(ids) do
      if not queued[i] then
        gone[#gone + 1] = id
      elseif not claimed[i] then
        head[#head + 1] = { id = id, since = tonumber(entries[2 * i]) }
      end
    end
    if #gone > 0 then
      redis.call('ZREM', line.waiting, unpack(gone))
    end
    if #head >= places or #ids < size or budget == 0 then
      break
    end
    budget = budget - 1
    from, size = from + #ids - #gone, CHUNK
  end
  return head
end

-- The state of a limit, read once per call.
local lines = {}
local function line_of(limit)
  local kind = limit.per_ms and 'rate' or 'slots'
  local key = 'almanac:limit:' .. kind .. ':' .. limit.name
  if not lines[key] then
    local waiting = 'almanac:limit:' .. kind .. '-waiting:' .. limit.name
    local line = { key = key, waiting = waiting, limit = limit.limit }
    if limit.per_ms then
      line.interval = math.ceil(limit.per_ms * 1000 / limit.limit)
      line.arrival = tonumber(redis.call('GET', key) or 0)
    else
      redis.call('ZREMRANGEBYSCORE', key, '-inf', now)
      line.held = redis.call('ZCARD', key)
    end
    line.head = head_of(line)
    lines[key] = line
  end
  return lines[key]
end

-- When a waiter with so many before it may start: exact for a rate, while for slots it is when
-- leases end that nobody renews. Who frees a slot earlier calls the next one earlier.
local function expected(line, before)
  if line.interval then
    local start = math.max(line.arrival, now_us) + (before + 1 - line.limit) * line.interval
    return math.max(math.ceil(start / 1000), now + 1)
  end
  local turn = math.max(before - math.max(free_places(line), 0), 0)
  local place = turn % line.limit
  local holder = redis.call('ZRANGE', line.key, place, place, 'WITHSCORES')
  return (holder[2] or now + lease) + math.floor(turn / line.limit) * lease
end

-- Make a waiting job visible at a time, unless it is by then, or a worker of arq's own runs it.
local function call_for(id, at)
  local low = redis.call('ZSCORE', low_lane, id)
  local visible = tonumber(low or redis.call('ZSCORE', queue, id))
  if visible <= math.max(at, now) or redis.call('EXISTS', 'arq:in-progress:' .. id) == 1 then
    return
  end
  if low then
    redis.call('ZADD', low_lane, 'XX', at, id)
    redis.call('ZADD', queue, 'XX', at + behind, id)
  else
    redis.call('ZADD', high_lane, 'XX', at, id)
    redis.call('ZADD', queue, 'XX', at, id)
  end
end

-- Call those whose turn it is, and without a free place the next one for when there will be one.
-- They get the time at which they joined, so that they are not behind what came due since then.
local function call_next(line)
  local free = free_places(line)
  for place = 1, math.min(#line.head, math.max(free, 1)) do
    local waiter = line.head[place]
    local at = place <= free and math.floor(waiter.since / 1000) or expected(line, place - 1)
    call_for(waiter.id, at)
  end
end

local function has_place(line, want, skip)
  if line.held and redis.call('ZSCORE', line.key, want.job_id) then
    return true -- it held one when its worker died
  end
  local before = 0
  for _, waiter in ipairs(line.head) do
    if skip or want.since and waiter.since >= want.since then
      break
    end
    before = before + 1
  end
  return free_places(line) > before
end

local function take(line, want)
  if line.interval then
    -- A start that is late for its turn counts from its turn, or all who wait would be late too.
    local turn = now_us
    local lateness = want.since and math.min(line.interval / 10, LATENESS) or 0
    if line.arrival >= now_us - lateness then
      turn = line.arrival
    end
    line.arrival = turn + line.interval
  else
    line.held = line.held + redis.call('ZADD', line.key, now + lease, want.job_id)
  end
  line.taken = true
end

local function leave(line, want)
  if want.since then
    redis.call('ZREM', line.waiting, want.job_id)
  end
end

-- Refuse a job until every limit that blocks it lets it in; it keeps its place in their lines.
local function line_up(want, blocking)
  local since, back = want.since, now + 1
  if not since then
    since = now_us
    for _, line in ipairs(blocking) do
      local last = redis.call('ZRANGE', line.waiting, -1, -1, 'WITHSCORES')
      since = math.max(since, last[2] and last[2] + 1 or 0)
    end
  end
  for _, line in ipairs(blocking) do
    redis.call('ZADD', line.waiting, since, want.job_id)
    back = math.max(back, expected(line, redis.call('ZRANK', line.waiting, want.job_id)))
  end
  for _, line in ipairs(blocking) do
    line.back = math.max(line.back or 0, back)
  end
  return { 1, back }
end

local function admit(want)
  if redis.call('GET', record(want.job_id)) == want.text then
    return { 0, '' } -- the reply of this very call was lost
  end
  local open, blocking = {}, {}
  for _, limit in ipairs(want.limits) do
    local line = line_of(limit)
    if has_place(line, want, limit.skip) then
      open[#open + 1] = line
    elseif limit.skip then
      return { 2, redis.call('ZRANGE', line.key, 0, 0)[1] }
    else
      blocking[#blocking + 1] = line
    end
  end
  for _, line in ipairs(open) do
    leave(line, want)
    if #blocking == 0 then
      take(line, want)
    elseif line.held then
      line.held = line.held - redis.call('ZREM', line.key, want.job_id)
    end
  end
  if #blocking > 0 then
    return line_up(want, blocking)
  end
  redis.call('SET', record(want.job_id), want.text, 'PX', lease)
  return { 0, '' }
end

-- Write once for all jobs of the call what a limit keeps, and for how long.
local function keep(line)
  if line.taken and line.interval then
    local ms = math.ceil((line.arrival - now_us + LATENESS) / 1000)
    redis.call('SET', line.key, string.format('%.0f', line.arrival), 'PX', ms)
  elseif line.taken then
    live_for(line.key, lease)
  end
  if line.back then
    live_for(line.waiting, line.back - now + SLACK)
  end
end

local function decode(text)
  local want = cjson.decode(text)
  want.text = text
  return want
end

local function joined(want)
  for _, limit in ipairs(want.limits) do
    local since = tonumber(redis.call('ZSCORE', line_of(limit).waiting, want.job_id) or nil)
    if since and since < (want.since or math.huge) then
      want.since = since
    end
  end
end

local function acquire(wants)
  local order, replies = {}, {}
  for n, want in ipairs(wants) do
    joined(want)
    order[n] = n
  end
  -- The order of the lines, whatever the order in which they were claimed.
  table.sort(order, function(a, b)
    local first, second = wants[a].since or math.huge, wants[b].since or math.huge
    if first == second then
      return a < b
    end
    return first < second
  end)
  for _, n in ipairs(order) do
    replies[n] = admit(wants[n])
  end
  return replies
end

local function give_back(want)
  local owner = redis.call('GET', record(want.job_id))
  if owner and owner ~= want.text then
    return -- the job runs again elsewhere: the slot is that run's
  end
  redis.call('DEL', record(want.job_id))
  for _, limit in ipairs(want.limits) do
    if not limit.per_ms then
      redis.call('ZREM', 'almanac:limit:slots:' .. limit.name, want.job_id)
    end
  end
end

local function free(wants)
  for _, want in ipairs(wants) do
    give_back(want)
  end
  for _, want in ipairs(wants) do
    for _, limit in ipairs(want.limits) do
      line_of(limit)
    end
  end
  return #wants
end

-- A lease that ended (Redis was away) is taken again: the job runs, whatever the limit says.
local function renew(wants)
  for _, want in ipairs(wants) do
    local token = redis.call('HGET', claims, want.job_id)
    if token and (token .. ':'):sub(1, #want.claim + 1) == want.claim .. ':' then
      redis.call('SET', record(want.job_id), want.text, 'PX', lease)
      for _, limit in ipairs(want.limits) do
        if not limit.per_ms then
          local key = 'almanac:limit:slots:' .. limit.name
          redis.call('ZADD', key, now + lease, want.job_id)
          live_for(key, lease)
        end
      end
    end
  end
  return #wants
end

local function wants_of_dead(incarnation)
  local wants = {}
  for n = FIRST + 1, #ARGV do
    local text = redis.call('GET', record(ARGV[n]))
    local want = text and decode(text)
    if want and want.claim:sub(1, #incarnation + 1) == incarnation .. ':' then
      wants[#wants + 1] = want
    end
  end
  return wants
end

local wants = {}
if verb == 'free_all' then
  wants = wants_of_dead(ARGV[FIRST])
else
  for n = FIRST, #ARGV do
    wants[#wants + 1] = decode(ARGV[n])
  end
end
local verbs = { acquire = acquire, free = free, free_all = free, renew = renew }
local reply = verbs[verb](wants)
for _, line in pairs(lines) do
  keep(line)
  call_next(line)
end
return reply
