-- Cancel one job: end it here if it does not run, else ask its worker to stop it.
-- KEYS   1 the queue: sorted set of job ids
-- ARGV   now in Unix ms ('': the server's clock), id, result to leave, which is the event too, ms to
--        keep it (0: leave none), entries that the stream of events keeps (0: write none)
-- Reply  'cancelled', 'asked' (it runs; workers that allow aborts read the mark) or 'absent'
-- Cost   O(log n) with n ids in the queue
-- Atomic. The keys of a job are made from its id, so one Redis node must hold them all.
local queue, id, keep = KEYS[1], ARGV[2], ARGV[4]
local in_progress = 'arq:in-progress:' .. id
local watched = redis.call('EXISTS', 'almanac:live:watched') == 1
-- with announce
local now = ARGV[1]
if now == '' then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
if not redis.call('ZSCORE', queue, id) and redis.call('EXISTS', in_progress) == 0 then
  return 'absent'
end
if redis.call('EXISTS', in_progress) == 1 then
  redis.call('ZADD', 'arq:abort', now, id)
  return 'asked'
end
redis.call('ZCARD', 'arq:abort')
for _, hash in ipairs({ ':claims', ':crashes', ':counts' }) do
  redis.call('HLEN', queue .. hash) -- a key of another kind fails here, before the first write
end
for _, index in ipairs({ ':high', ':low' }) do
  redis.call('ZCARD', queue .. index)
end
-- arq's worker watches this key between reading the queue and starting a job: touching it makes
-- a start that is under way fail. It comes first, because out of memory refuses it.
redis.call('SET', in_progress, 'cancelled')
redis.call('DEL', in_progress, 'arq:job:' .. id, 'arq:retry:' .. id, queue .. ':attempts:' .. id)
redis.call('ZREM', queue, id)
redis.call('ZREM', queue .. ':high', id)
redis.call('ZREM', queue .. ':low', id)
redis.call('HDEL', queue .. ':claims', id)
redis.call('HDEL', queue .. ':crashes', id)
redis.call('ZREM', 'arq:abort', id)
redis.call('HINCRBY', queue .. ':counts', 'cancelled', 1)
if keep ~= '0' then
  redis.call('SET', 'arq:result:' .. id, ARGV[3], 'PX', keep)
end
if ARGV[5] ~= '0' then
  redis.pcall('XADD', queue .. ':events', 'MAXLEN', '~', ARGV[5], '*', '', '', id, ARGV[3])
end
if watched then announce('cancelled', queue, id, ARGV[3]) end
return 'cancelled'
