-- Take a job off its queue because it ended elsewhere, and leave its result.
-- KEYS   1 the queue: sorted set of job ids
-- ARGV   now in Unix ms (unused: nothing here depends on it), id, result to leave,
--        ms to keep it (0: leave none)
-- Reply  1 removed, 0 it runs: its worker finds out, -1 it was not in the queue
-- Cost   O(log n) with n ids in the queue
-- Atomic. The keys of a job are made from its id, so one Redis node must hold them all.
local queue, id, keep = KEYS[1], ARGV[2], ARGV[4]
local in_progress = 'arq:in-progress:' .. id
redis.call('ZCARD', 'arq:abort')
for _, hash in ipairs({ ':claims', ':crashes' }) do
  redis.call('HLEN', queue .. hash) -- a key of another kind fails here, before the first write
end
for _, index in ipairs({ ':high', ':low' }) do
  redis.call('ZCARD', queue .. index)
end
if redis.call('EXISTS', in_progress) == 1 then return 0 end
local removed = -1
if redis.call('ZSCORE', queue, id) then
  removed = 1
  -- arq's worker watches this key between reading the queue and starting a job: touching it makes
  -- a start that is under way fail. It comes first, because out of memory refuses it.
  redis.call('SET', in_progress, 'closed')
  redis.call('DEL', in_progress, 'arq:job:' .. id, 'arq:retry:' .. id, queue .. ':attempts:' .. id)
  for _, set in ipairs({ queue, queue .. ':high', queue .. ':low', 'arq:abort' }) do
    redis.call('ZREM', set, id)
  end
  redis.call('HDEL', queue .. ':claims', id)
  redis.call('HDEL', queue .. ':crashes', id)
end
if keep ~= '0' then
  redis.call('SET', 'arq:result:' .. id, ARGV[3], 'PX', keep)
end
return removed
