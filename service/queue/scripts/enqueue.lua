-- Queue jobs that do not exist yet, as arq's enqueue_job does.
-- KEYS   1 the queue: sorted set of job ids, score = Unix ms at which the job may start
-- ARGV   now in Unix ms ('': the server's clock), lane, ms the payloads are kept ('': for good),
--        ms that a low job is behind; then for each job: id, score ('': now), payload
-- Reply  for each job: 1 queued, 0 refused because its payload or its result exists
-- Cost   O(log n) per job with n ids in the queue; call it with at most 100 jobs
-- Atomic per call. The keys of a job are made from its id, so one Redis node must hold them all.
--        ZADD comes first: it is the only write that can fail (not a sorted set, out of memory).
local lane, ttl = ARGV[2], ARGV[3]
local index = lane ~= 'normal' and KEYS[1] .. ':' .. lane
local behind = lane == 'low' and tonumber(ARGV[4]) or 0
local jobs = (#ARGV - 4) / 3
local watched = redis.call('EXISTS', 'almanac:live:watched') == 1
-- with announce
local now = ARGV[1]
if now == '' then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end

local keys = {}
for n = 1, jobs do
  local id = ARGV[3 * n + 2]
  keys[2 * n - 1] = 'arq:job:' .. id
  keys[2 * n] = 'arq:result:' .. id
end
-- One command finds the usual case, that none exists; commands are what a script's time goes to.
local some_exist = redis.call('EXISTS', unpack(keys)) > 0

local replies, seen, scores, indexed, payloads = {}, {}, {}, {}, {}
local last = 0
for n = 1, jobs do
  local id = ARGV[3 * n + 2]
  if seen[id] or some_exist and redis.call('EXISTS', keys[2 * n - 1], keys[2 * n]) > 0 then
    replies[n] = 0
  else
    replies[n] = 1
    seen[id] = true
    local start = ARGV[3 * n + 3]
    if start == '' then start = now end
    scores[last + 1], scores[last + 2] = behind > 0 and start + behind or start, id
    if index then indexed[last + 1], indexed[last + 2] = start, id end
    payloads[last + 1], payloads[last + 2] = keys[2 * n - 1], ARGV[3 * n + 4]
    last = last + 2
  end
end
if last > 0 then
  -- A key of another kind fails here, before the first write.
  if index then redis.call('ZCARD', index) end
  local aborts = redis.call('ZCARD', 'arq:abort')
  local claims = redis.call('HLEN', KEYS[1] .. ':claims')
  local crashes = redis.call('HLEN', KEYS[1] .. ':crashes')
  redis.call('ZADD', KEYS[1], unpack(scores))
  if index then redis.call('ZADD', index, unpack(indexed)) end
  redis.call('MSET', unpack(payloads))
  if ttl ~= '' then
    for n = 1, last, 2 do redis.call('PEXPIRE', payloads[n], ttl) end
  end
  for n = 1, watched and last or 0, 2 do
    announce('queued', KEYS[1], scores[n + 1], payloads[n + 1], '', scores[n])
  end
  if aborts + claims + crashes > 0 then
    local ids = {}
    for n = 2, last, 2 do ids[n / 2] = scores[n] end
    -- A mark left by an abort of an earlier job of the same id must not stop this one.
    if aborts > 0 then redis.call('ZREM', 'arq:abort', unpack(ids)) end
    -- Nor is what happened to that one its fault; a stock worker leaves this behind.
    if claims > 0 then redis.call('HDEL', KEYS[1] .. ':claims', unpack(ids)) end
    if crashes > 0 then redis.call('HDEL', KEYS[1] .. ':crashes', unpack(ids)) end
  end
end
return replies
