-- Queue jobs that do not exist yet, as arq's enqueue_job does.
-- KEYS   1 the queue: sorted set of job ids, score = Unix ms at which the job may start
-- ARGV   for each job: id, score, payload
-- Reply  for each job: 1 queued, 0 refused because its payload or its result exists
-- Cost   O(log n) per job with n ids in the queue; call it with at most 100 jobs
-- Atomic per call. The keys of a job are made from its id, so one Redis node must hold them all.
--        ZADD comes first: it is the only write that can fail (not a sorted set, out of memory).
local jobs = #ARGV / 3
local keys = {}
for n = 1, jobs do
  local id = ARGV[3 * n - 2]
  keys[2 * n - 1] = 'arq:job:' .. id
  keys[2 * n] = 'arq:result:' .. id
end
-- One command finds the usual case, that none exists; commands are what a script's time goes to.
local some_exist = redis.call('EXISTS', unpack(keys)) > 0

local replies, seen, scores, payloads, ids = {}, {}, {}, {}, {}
for n = 1, jobs do
  local id = ARGV[3 * n - 2]
  if seen[id] or some_exist and redis.call('EXISTS', keys[2 * n - 1], keys[2 * n]) > 0 then
    replies[n] = 0
  else
    replies[n] = 1
    seen[id] = true
    local last = #scores
    scores[last + 1], scores[last + 2] = ARGV[3 * n - 1], id
    payloads[last + 1], payloads[last + 2] = keys[2 * n - 1], ARGV[3 * n]
    ids[#ids + 1] = id
  end
end
if #ids > 0 then
  redis.call('ZADD', KEYS[1], unpack(scores))
  redis.call('MSET', unpack(payloads))
  -- A mark left by an abort of an earlier job of the same id must not stop this one.
  redis.call('ZREM', 'arq:abort', unpack(ids))
end
return replies
