-- Queue jobs that do not exist yet, as arq's enqueue_job does.
-- KEYS   1 the queue: sorted set of job ids, score = Unix ms at which the job may start
-- ARGV   for each job: id, score, payload
-- Reply  for each job: 1 queued, 0 refused because its payload or its result exists
-- Cost   O(log n) per job with n ids in the queue; call it with at most 100 jobs
-- Atomic per call. The keys of a job are made from its id, so one Redis node must hold them all.
--        ZADD comes first: it is the only write that can fail (not a sorted set, out of memory).
local queued = {}
local aborts = redis.call('EXISTS', 'arq:abort') == 1
for i = 1, #ARGV, 3 do
  local id = ARGV[i]
  local payload_key = 'arq:job:' .. id
  if redis.call('EXISTS', payload_key, 'arq:result:' .. id) == 0 then
    redis.call('ZADD', KEYS[1], ARGV[i + 1], id)
    redis.call('SET', payload_key, ARGV[i + 2])
    if aborts then
      -- A mark left by an abort of an earlier job of this id must not stop this one.
      redis.call('ZREM', 'arq:abort', id)
    end
    queued[#queued + 1] = 1
  else
    queued[#queued + 1] = 0
  end
end
return queued
