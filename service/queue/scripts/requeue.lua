-- Queue jobs again whatever an earlier run of the same id left behind.
-- KEYS   1 the queue: sorted set of job ids, score = Unix ms at which the job may start
-- ARGV   for each job: id, score, payload
-- Reply  for each job: 1 queued now, 0 it was in the queue (a lost payload is written again)
-- Cost   O(log n) per job with n ids in the queue; call it with at most 100 jobs
-- Atomic per call. The keys of a job are made from its id, so one Redis node must hold them all.
--        ZADD comes first: it is the only write that can fail (not a sorted set, out of memory).
local replies = {}
for n = 1, #ARGV / 3 do
  local id, score, payload = ARGV[3 * n - 2], ARGV[3 * n - 1], ARGV[3 * n]
  if redis.call('ZSCORE', KEYS[1], id) then
    redis.call('SET', 'arq:job:' .. id, payload, 'NX')
    replies[n] = 0
  else
    redis.call('ZADD', KEYS[1], score, id)
    redis.call('SET', 'arq:job:' .. id, payload)
    redis.call('DEL', 'arq:result:' .. id, 'arq:retry:' .. id)
    redis.call('ZREM', 'arq:abort', id)
    replies[n] = 1
  end
end
return replies
