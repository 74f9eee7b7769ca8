-- Queue dead jobs again, each with its id and payload, as if they had never run.
-- KEYS   1 the queue: sorted set of job ids, score = Unix ms at which the job may start
-- ARGV   now in Unix ms ('': the server's clock), ms that a low job is behind, then for each job:
--        id, lane
-- Reply  for each job: 1 queued, 0 its id is in the queue, its payload had expired or it is not dead
-- Cost   O(log n) per job with n ids in the queue; call it with at most 100 jobs
-- Atomic per call. The keys of a job are made from its id, so one Redis node must hold them all.
--        ZADD comes first: it is the only write that can fail (not a sorted set, out of memory).
local queue, behind = KEYS[1], tonumber(ARGV[2])
local watched = redis.call('EXISTS', 'almanac:live:watched') == 1
-- with announce
local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
redis.call('ZCARD', 'arq:abort')
for _, hash in ipairs({ ':claims', ':crashes', ':dead:jobs' }) do
  redis.call('HLEN', queue .. hash) -- a key of another kind fails here, before the first write
end
for _, set in ipairs({ ':dead', ':high', ':low' }) do
  redis.call('ZCARD', queue .. set)
end
local replies = {}
for n = 3, #ARGV, 2 do
  local id, lane = ARGV[n], ARGV[n + 1]
  local payload = redis.call('HGET', queue .. ':dead:jobs', id)
  local dead = payload and payload ~= '' and redis.call('ZSCORE', queue .. ':dead', id)
  if not dead or redis.call('ZSCORE', queue, id) then
    replies[#replies + 1] = 0
  else
    redis.call('ZADD', queue, lane == 'low' and now + behind or now, id)
    if lane ~= 'normal' then redis.call('ZADD', queue .. ':' .. lane, now, id) end
    redis.call('SET', 'arq:job:' .. id, payload)
    redis.call('DEL', 'arq:result:' .. id, 'arq:retry:' .. id, queue .. ':attempts:' .. id)
    redis.call('ZREM', 'arq:abort', id)
    redis.call('HDEL', queue .. ':claims', id)
    redis.call('HDEL', queue .. ':crashes', id)
    redis.call('ZREM', queue .. ':dead', id)
    redis.call('HDEL', queue .. ':dead:jobs', id)
    if watched then announce('queued', queue, id, payload, '', now) end
    replies[#replies + 1] = 1
  end
end
return replies
