-- Release what a dead worker held, so that it runs elsewhere at once.
-- KEYS   1 the queue: sorted set of job ids
-- ARGV   now in Unix ms ('': the server's clock), first part of the incarnation, ms for which late
--        calls of it are refused, then job ids
-- Reply  how many were released
-- Cost   O(log n) per job with n ids in the queue; call it with at most 100 jobs
-- Atomic per call, and may be repeated. Only after the process is known to be dead: its claims
--        stay on record, so that the next claim counts a crash.
local queue, base = KEYS[1], ARGV[2]
local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
for _, set in ipairs({ '', ':high', ':low' }) do
  redis.call('ZCARD', queue .. set) -- a key of another kind fails here, before the first write
end
redis.call('SET', queue .. ':gone:' .. base, '1', 'PX', ARGV[3])
local released = 0
for n = 4, #ARGV do
  local id = ARGV[n]
  local key = 'arq:in-progress:' .. id
  local holder = redis.call('MGET', key)[1] -- false also for a key of another kind
  if holder and string.sub(holder, 1, #base + 1) == base .. '.' then
    redis.call('DEL', key)
    if redis.call('ZSCORE', queue, id) ~= '1' then -- arq's abort under way: the claim must see it
      redis.call('ZADD', queue, 'XX', now, id)
    end
    for _, index in ipairs({ queue .. ':high', queue .. ':low' }) do
      redis.call('ZADD', index, 'XX', now, id)
    end
    released = released + 1
  end
end
return released
