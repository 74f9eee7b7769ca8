-- Cancel one job: end it here if it has not started, else ask its worker to stop it.
-- KEYS   1 the queue: sorted set of job ids
-- ARGV   id, result to leave, ms to keep the result (0: leave none), now in Unix ms
-- Reply  'cancelled', 'asked' (it runs; workers with allow_abort_jobs read the mark) or 'absent'
-- Cost   O(log n) with n ids in the queue
-- Atomic. The keys of a job are made from its id, so one Redis node must hold them all.
local id = ARGV[1]
local in_progress = 'arq:in-progress:' .. id
if redis.call('EXISTS', in_progress) == 1 then
  redis.call('ZADD', 'arq:abort', ARGV[4], id)
  return 'asked'
end
if not redis.call('ZSCORE', KEYS[1], id) then
  return 'absent'
end
-- arq's worker watches this key between reading the queue and starting a job: touching it makes
-- a start that is under way fail. It comes first, because out of memory refuses it.
redis.call('SET', in_progress, 'cancelled')
redis.call('DEL', in_progress, 'arq:job:' .. id, 'arq:retry:' .. id)
redis.call('ZREM', KEYS[1], id)
redis.call('ZREM', 'arq:abort', id)
if ARGV[3] ~= '0' then
  redis.call('SET', 'arq:result:' .. id, ARGV[2], 'PX', ARGV[3])
end
return 'cancelled'
