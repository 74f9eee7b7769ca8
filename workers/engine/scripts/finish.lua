-- Write the outcomes of jobs that this worker holds.
-- KEYS   1 the queue: sorted set of job ids
-- ARGV   now in Unix ms ('': the server's clock), incarnation, number of this call, entries that the
--        stream of events keeps (0: write none), ms that a low job is behind, ms to keep results
--        (0: none, -1: for good), name of the worker, then for each job that succeeded in its first
--        try: id, token of its claim, 'plain' or 'quiet' (no event), result, which is the event
--        too; for any other: id, token, outcome, when it is visible again in Unix ms, tries used,
--        score before the claim, sha1 of its payload ('': not asked yet), result to leave, ms to
--        keep it, failure to remember, event, ms for which the id stays taken
--        outcomes: succeeded, failed, cancelled end the job; dead ends it and keeps its payload;
--        retried, snoozed, released queue it again
-- Reply  for each job: 1 done; 0 refused, the lease is another's; and, with nothing written:
--        2 it is to be cancelled, 3 its payload has expired or will have, 4 its lease has ended and
--        nobody took it: ask again with the sha1, 5 memory is full
-- Cost   O(log n) per job with n ids in the queue; call it with at most 100 jobs
-- Atomic per call; a call repeated with its number does nothing and returns the same. Keys are made
--        from ids, so one Redis node must hold them all. Everything is checked before it is
--        written; what frees memory comes first, and a result is dropped rather than refused.
local call, pcall_redis = redis.call, redis.pcall -- a local is found faster than a field
local queue, incarnation, number = KEYS[1], ARGV[2], ARGV[3]
local cap, behind, keep, worker = tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6], ARGV[7]
local FIRST, SHORT, LONG, DAY, SLACK, CALLS = 8, 4, 12, 86400000, 60000, 8
local high, low = queue .. ':high', queue .. ':low'
-- Several calls of a worker are under way at a time, and all may have to be repeated.
local answer_key = queue .. ':call:' .. incarnation .. ':finish:' .. number % CALLS
local ENDS = { succeeded = true, failed = true, cancelled = true, dead = true }
local AGAIN = { retried = true, snoozed = true, released = true }
local watched = redis.pcall('GETEX', 'almanac:live:watched') -- not tracked: it wakes no worker
-- with announce

local now = tonumber(ARGV[1])
if not now then
  local time = call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end

-- The reads that let a later write of somebody else wake this connection.
local function listen()
  call('ZCARD', queue)
  call('EXISTS', queue .. ':paused', 'arq:abort')
end

local ids, leases, places, outcomes, shorts = {}, {}, {}, {}, {}
local jobs, place = 0, FIRST
while place <= #ARGV do
  jobs = jobs + 1
  local form = ARGV[place + 2]
  local short = (form == 'plain' or form == 'quiet') and form
  local outcome = short and 'succeeded' or form
  if not ENDS[outcome] and not AGAIN[outcome] then
    return redis.error_reply('ERR unknown outcome ' .. tostring(outcome))
  end
  ids[jobs], leases[jobs] = ARGV[place], 'arq:in-progress:' .. ARGV[place]
  places[jobs], outcomes[jobs], shorts[jobs] = place, outcome, short
  place = place + (short and SHORT or LONG)
end

local codes = {}
if call('EXISTS', queue .. ':gone:' .. string.match(incarnation, '^[^.]*')) == 1 then
  for n = 1, jobs do codes[n] = 0 end
  return codes
end
local last = call('GETEX', answer_key)
if last then
  local answered, packed = string.match(last, '^(%d+) (.*)')
  if answered == number then
    listen()
    return cmsgpack.unpack(packed)
  elseif tonumber(answered) > tonumber(number) then -- left in a broken connection: nobody waits
    for n = 1, jobs do codes[n] = 0 end
    return codes
  end
end

for _, hash in ipairs({ ':claims', ':crashes', ':counts', ':dead:jobs' }) do
  call('HLEN', queue .. hash) -- a key of another kind fails here, before the first write
end
for _, set in ipairs({ '', ':dead' }) do call('ZCARD', queue .. set) end
local holders = call('MGET', unpack(leases))
local claims -- read when a lease has ended
local has_marks = call('ZCARD', 'arq:abort') > 0
local has_high, has_low = call('ZCARD', high) > 0, call('ZCARD', low) > 0

-- Whose the job is: 1 the caller's, 0 not, 4 nobody's any more.
local function holder(n, token, sha)
  if holders[n] then return holders[n] == token and 1 or 0 end
  claims = claims or call('HMGET', queue .. ':claims', unpack(ids))
  local claim = claims[n]
  local mine = claim == token or claim == token .. ':alone' or claim == token .. ':started'
  if not mine or not call('ZSCORE', queue, ids[n]) then return 0 end
  if sha == '' then return 4 end
  local payload = pcall_redis('GETEX', 'arq:job:' .. ids[n])
  return type(payload) == 'string' and redis.sha1hex(payload) == sha and 1 or 0
end

-- Whether the payload outlives the wait. arq's clients give it a day beyond its time, by default;
-- that is no deadline that somebody meant.
local function expires(id, again, score)
  local left = call('PTTL', 'arq:job:' .. id)
  if left == -2 then return true end
  if left == -1 then return false end
  if math.abs(now + left - score - DAY) < SLACK then
    call('PERSIST', 'arq:job:' .. id)
    return false
  end
  return again > now + left
end

local gone, garbage, events, counts = {}, {}, {}, {}

local function remember(id, failure)
  if failure ~= '' then pcall_redis('RPUSH', queue .. ':attempts:' .. id, failure) end
end

local function forget(n)
  local id, last = ids[n], #garbage
  gone[#gone + 1] = id
  garbage[last + 1], garbage[last + 2] = 'arq:job:' .. id, 'arq:retry:' .. id
  garbage[last + 3] = leases[n]
  return 1
end

local function finish(n, at)
  local id = ids[n]
  if outcomes[n] == 'dead' then
    local payload = pcall_redis('GETEX', 'arq:job:' .. id)
    if type(payload) ~= 'string' then payload = '' end
    local kept = pcall_redis('HSET', queue .. ':dead:jobs', id, payload)
    if type(kept) == 'table' and kept.err then return 5 end
    pcall_redis('ZADD', queue .. ':dead', now, id)
    remember(id, ARGV[at + 9])
  elseif ARGV[at + 4] ~= '1' then
    garbage[#garbage + 1] = queue .. ':attempts:' .. id
  end
  return forget(n)
end

local function queue_again(n, at)
  local id, again = ids[n], tonumber(ARGV[at + 3])
  if has_marks and call('ZSCORE', 'arq:abort', id) then return 2 end
  if call('ZSCORE', queue, id) == '1' then return 2 end -- arq's abort, its mark still to come
  if expires(id, again, tonumber(ARGV[at + 5])) then return 3 end
  call('DEL', leases[n])
  call('HDEL', queue .. ':claims', id)
  if has_high then call('ZADD', high, 'XX', again, id) end
  local later = 0
  if has_low and call('ZSCORE', low, id) then
    later = behind
    call('ZADD', low, 'XX', again, id)
  end
  call('ZADD', queue, 'XX', again + later, id)
  if outcomes[n] == 'retried' then
    -- For good: after arq's 88,400 s a job that was paused or waits for a day would start afresh.
    pcall_redis('SET', 'arq:retry:' .. id, ARGV[at + 4])
    remember(id, ARGV[at + 9])
  end
  return 1
end

for n = 1, jobs do
  local at, outcome, short = places[n], outcomes[n], shorts[n]
  local code = holder(n, ARGV[at + 1], short and '' or ARGV[at + 6])
  if code == 1 then
    code = short and forget(n) or ENDS[outcome] and finish(n, at) or queue_again(n, at)
  end
  codes[n] = code
  if code == 1 then
    counts[outcome] = (counts[outcome] or 0) + 1
    local event = short and (short == 'plain' and ARGV[at + 3] or '') or ARGV[at + 10]
    if event ~= '' then events[#events + 1], events[#events + 2] = ids[n], event end
    if watched then
      local text = event ~= '' and event or pcall_redis('GETEX', 'arq:job:' .. ids[n])
      announce(outcome, queue, ids[n], text, worker, AGAIN[outcome] and ARGV[at + 3])
    end
  elseif code == 0 then
    counts.stale = (counts.stale or 0) + 1
  end
end

local function leave(id, result, for_ms)
  if for_ms == '-1' then
    pcall_redis('SET', 'arq:result:' .. id, result)
  elseif for_ms ~= '0' then
    pcall_redis('SET', 'arq:result:' .. id, result, 'PX', for_ms)
  end
end

if #gone > 0 then
  call('DEL', unpack(garbage))
  call('ZREM', queue, unpack(gone))
  if has_high then call('ZREM', high, unpack(gone)) end
  if has_low then call('ZREM', low, unpack(gone)) end
  call('HDEL', queue .. ':claims', unpack(gone))
  call('HDEL', queue .. ':crashes', unpack(gone))
  if has_marks then call('ZREM', 'arq:abort', unpack(gone)) end
  for n = 1, jobs do
    local at = places[n]
    if codes[n] ~= 1 or AGAIN[outcomes[n]] then
      -- not ended
    elseif shorts[n] then
      leave(ids[n], ARGV[at + 3], keep)
    else
      leave(ids[n], ARGV[at + 7], ARGV[at + 8])
      if ARGV[at + 11] ~= '' then pcall_redis('SET', leases[n], '1', 'PX', ARGV[at + 11]) end
    end
  end
end
for outcome, count in pairs(counts) do
  pcall_redis('HINCRBY', queue .. ':counts', outcome, count)
end
if #events > 0 and cap > 0 then
  pcall_redis('XADD', queue .. ':events', 'MAXLEN', '~', cap, '*', '', worker, unpack(events))
end
pcall_redis('SET', answer_key, number .. ' ' .. cmsgpack.pack(codes), 'PX', 60000)
listen()
return codes
