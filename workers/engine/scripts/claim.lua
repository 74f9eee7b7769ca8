-- Claim due jobs: give each a lease and hide it until the lease ends.
-- KEYS   1 the queue: sorted set of job ids, score = Unix ms from which a job is visible
-- ARGV   now in Unix ms ('': the server's clock), incarnation, number of this call, jobs wanted,
--        lease in ms, Unix ms at which the caller expects this to run ('': unknown), ids to pass
--        over, 1 if the caller runs nothing else, crashes after which a job is dead, name of the
--        worker
-- Reply  {status, now in us, when the next job is due in ms ('': none), jobs held back because they
--        must run alone, ids to pass over next time, then for each job: id, score, payload (nil:
--        expired), '' or what few have: tries|time of its abort mark ('' none, 0 score 1)|crashes|
--        how it is claimed ('', 'alone' or 'crashed': too often)}
--        status: 'ok', 'paused', 'gone' (the incarnation was reaped), 'jump' (the clock is not
--        where the caller expects it: it first makes sure of its leases)
-- Cost   O(log n) per job with n ids in the queue; at most 100 jobs and 1,000 ids looked at
-- Atomic per call; a call repeated with its number returns the same jobs. Keys are made from ids, so
--        one Redis node must hold them all. SET comes first: refused when memory is full.
--
-- A job is in its lane's index as well as in the queue; both get the lease's end as score, so that
-- it appears again in its lane when the lease ends unrenewed. Payloads and counts are read with
-- GETEX, which the server does not track; the last commands are reads of what shall wake the
-- caller when it changes: the queue, its pause key and the abort marks.
local call = redis.call -- a local is found faster than a field
local queue, incarnation, number = KEYS[1], ARGV[2], ARGV[3]
local wanted, pass_over = tonumber(ARGV[4]), tonumber(ARGV[7])
local alone, most_crashes = ARGV[8] == '1', tonumber(ARGV[9])
local EARLY, MOST_LOOKED_AT, JUMP = 2, 1000, 500
local AFTER = EARLY + 1 -- ms: visible only when the lease has ended, also to a call that is early
local high, low = queue .. ':high', queue .. ':low'
local claims, crashes_key = queue .. ':claims', queue .. ':crashes'
local answer_key = queue .. ':call:' .. incarnation .. ':claim'
-- with announce

local now_us
if ARGV[1] == '' then
  local time = call('TIME')
  now_us = time[1] * 1000000 + time[2]
else
  now_us = ARGV[1] * 1000
end
local now = math.floor(now_us / 1000)
local horizon = now + EARLY
local token = incarnation .. ':' .. number
-- Asked in a way that a key of another kind fails here, before the first write.
local has_high, has_low = call('ZCARD', high) > 0, call('ZCARD', low) > 0
local has_marks = call('ZCARD', 'arq:abort') > 0

local taken, scores, kinds, crash_counts = {}, {}, {}, {}
local seen, looked_at, held, closed = {}, 0, 0, false

local function take(id, score, kind, crashes)
  local i = #taken + 1
  taken[i], scores[i], kinds[i], crash_counts[i] = id, score, kind, crashes
end

-- A key of another kind is as good as none: failing here would close the queue for everybody.
local function value(key)
  local found = redis.pcall('GETEX', key)
  return type(found) == 'string' and found
end

local function describe(reply)
  if #taken == 0 then return end
  local marks = has_marks and call('ZMSCORE', 'arq:abort', unpack(taken))
  local at = #reply
  for i, id in ipairs(taken) do
    local mark = marks and marks[i] or ''
    if scores[i] == '1' then mark = '0' end
    local tries = value('arq:retry:' .. id) or '0'
    local rare = ''
    if tries ~= '0' or mark ~= '' or crash_counts[i] ~= 0 or kinds[i] ~= '' then
      rare = tries .. '|' .. mark .. '|' .. crash_counts[i] .. '|' .. kinds[i]
    end
    reply[at + 1], reply[at + 2] = id, scores[i]
    reply[at + 3], reply[at + 4] = value('arq:job:' .. id), rare
    at = at + 4
  end
end

local function answer(status, offset)
  local reply = { status, string.format('%.0f', now_us), '', held, offset }
  describe(reply)
  local due = call('ZRANGEBYSCORE', queue, '(' .. horizon, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
  local soonest = due[2] and tonumber(due[2])
  if has_low then
    local lower = call('ZRANGEBYSCORE', low, '(' .. horizon, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
    if lower[2] and (not soonest or tonumber(lower[2]) < soonest) then soonest = tonumber(lower[2]) end
  end
  if soonest then reply[3] = string.format('%.0f', soonest) end
  call('EXISTS', queue .. ':paused', 'arq:abort')
  return reply
end

if call('EXISTS', queue .. ':gone:' .. string.match(incarnation, '^[^.]*')) == 1 then
  return answer('gone', 0)
end
local last = call('GETEX', answer_key)
if last then
  local answered, packed = string.match(last, '^(%d+) (.*)')
  if answered == number then
    local jobs = cmsgpack.unpack(packed)
    for i, id in ipairs(jobs[1]) do
      if call('GETEX', 'arq:in-progress:' .. id) == token then take(id, jobs[2][i], jobs[3][i], jobs[4][i]) end
    end
    return answer('ok', 0)
  end
  -- Left in a broken connection: nobody waits for what it would take.
  if tonumber(answered) > tonumber(number) then return answer('ok', 0) end
end
if ARGV[6] ~= '' and math.abs(now - tonumber(ARGV[6])) > JUMP then return answer('jump', 0) end
if call('EXISTS', queue .. ':paused') == 1 then return answer('paused', 0) end

-- Lease one id, unless somebody holds it; decide whether its crashes let it run beside others.
local function lease_one(id, score, left, crashes)
  if not call('SET', 'arq:in-progress:' .. id, token, 'NX', 'PX', ARGV[5]) then return end
  if score == '1' and not call('GETEX', 'arq:job:' .. id) then
    -- arq's abort of a job that ended between its two commands: there is nothing left to cancel.
    call('ZREM', queue, id)
    -- Its payload may also have expired before, with the rest still there.
    call('DEL', 'arq:in-progress:' .. id, 'arq:retry:' .. id, queue .. ':attempts:' .. id)
    call('ZREM', high, id)
    call('ZREM', low, id)
    call('ZREM', 'arq:abort', id)
    call('HDEL', claims, id)
    call('HDEL', crashes_key, id)
    return
  end
  if left and string.sub(left, -6) ~= ':alone' then
    crashes = call('HINCRBY', crashes_key, id, 1)
    redis.pcall('HINCRBY', queue .. ':counts', 'crashed', 1) -- no reason to claim nothing
  end
  local kind = ''
  if crashes >= most_crashes and left and string.sub(left, -8) == ':started' then
    kind = 'crashed'
  elseif crashes >= most_crashes - 1 and crashes > 0 then
    if not alone or #taken > 0 then
      held = held + 1
      call('DEL', 'arq:in-progress:' .. id)
      if left then call('HDEL', claims, id) end -- counted once
      return
    end
    kind, closed = 'alone', true
  end
  take(id, score, kind, crashes)
end

local function lease_some(found, room)
  if #found == 0 then return end
  local ids = {}
  for i = 1, #found, 2 do ids[#ids + 1] = found[i] end
  local left = call('HMGET', claims, unpack(ids))
  local counts = call('EXISTS', crashes_key) == 1
    and call('HMGET', crashes_key, unpack(ids))
  for i, id in ipairs(ids) do
    if closed or #taken >= room then return end
    looked_at = looked_at + 1
    if not seen[id] then
      seen[id] = true
      lease_one(id, found[2 * i], left[i], counts and tonumber(counts[i] or 0) or 0)
    end
  end
end

-- From an index, without the ids that the queue no longer has: a stock worker finished them.
local function lease_indexed(index, room)
  local found = call(
    'ZRANGEBYSCORE', index, '-inf', horizon, 'WITHSCORES', 'LIMIT', 0, room - #taken + 10)
  if #found == 0 then return end
  local ids, there = {}, {}
  for i = 1, #found, 2 do ids[#ids + 1] = found[i] end
  for i, score in ipairs(call('ZMSCORE', queue, unpack(ids))) do
    if not score then
      call('ZREM', index, ids[i])
    elseif score == '1' then -- an abort under way
      there[#there + 1], there[#there + 2] = ids[i], score
    else
      there[#there + 1], there[#there + 2] = ids[i], found[2 * i]
    end
  end
  lease_some(there, room)
end

local offset = pass_over
local function lease_queued()
  while not closed and #taken < wanted and looked_at < MOST_LOOKED_AT do
    local found = call(
      'ZRANGEBYSCORE', queue, '-inf', horizon, 'WITHSCORES', 'LIMIT', offset, wanted - #taken + 10)
    if #found == 0 then
      offset = 0
      return
    end
    lease_some(found, wanted)
    offset = offset + #found / 2
  end
  if looked_at < MOST_LOOKED_AT then offset = 0 end
end

-- High goes first but leaves a tenth to the others: of each call, or of ten calls one.
local share = wanted - math.floor(wanted / 10)
if wanted < 10 and tonumber(number) % 10 == 0 then share = 0 end
if has_high and share > 0 then lease_indexed(high, share) end
lease_queued()
if has_low and #taken < wanted and not closed then lease_indexed(low, wanted) end
if has_high and #taken < wanted and not closed then lease_indexed(high, wanted) end

if #taken > 0 then
  local raised, owned = {}, {}
  -- A text: as a number it would be written out anew for each job.
  local ends = string.format('%.0f', now + ARGV[5] + AFTER)
  for i, id in ipairs(taken) do
    raised[2 * i - 1], raised[2 * i] = ends, id
    owned[2 * i - 1], owned[2 * i] = id, kinds[i] == 'alone' and token .. ':alone' or token
  end
  -- A small hash is a list, searched from its start; with a long value it is a table, and stays one.
  local listed = #taken > 16 and call('OBJECT', 'ENCODING', claims) ~= 'hashtable'
  if listed then call('HSET', claims, '', string.rep(' ', 65)) end
  call('HSET', claims, unpack(owned))
  if listed then call('HDEL', claims, '') end
  call('ZADD', queue, 'XX', unpack(raised))
  if has_high then call('ZADD', high, 'XX', unpack(raised)) end
  if has_low then call('ZADD', low, 'XX', unpack(raised)) end
  for i, id in ipairs(taken) do -- the next claim must know it too, should this worker die
    if scores[i] == '1' then call('ZADD', 'arq:abort', 'NX', now, id) end
  end
  local watched = redis.pcall('GETEX', 'almanac:live:watched') -- not tracked: it wakes no worker
  for i, id in ipairs(watched and taken or {}) do
    if kinds[i] ~= 'crashed' and scores[i] ~= '1' then -- these end without a start
      announce('started', queue, id, value('arq:job:' .. id), ARGV[10])
    end
  end
  call('SET', answer_key,
    number .. ' ' .. cmsgpack.pack({ taken, scores, kinds, crash_counts }), 'PX', 60000)
end
return answer('ok', offset)
