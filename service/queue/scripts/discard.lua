-- Forget dead jobs.
-- KEYS   1 the queue
-- ARGV   now in Unix ms (unused: nothing here depends on it), then ids
-- Reply  for each id: 1 forgotten, 0 it was not dead
-- Cost   O(log n) per id with n dead jobs; call it with at most 100 ids
-- Atomic per call. Keys are made from ids, so one Redis node must hold them all.
local queue = KEYS[1]
redis.call('HLEN', queue .. ':dead:jobs') -- a key of another kind fails before the first write
redis.call('ZCARD', queue)
local replies = {}
for n = 2, #ARGV do
  local id = ARGV[n]
  replies[n - 1] = redis.call('ZREM', queue .. ':dead', id)
  if replies[n - 1] == 1 then
    redis.call('HDEL', queue .. ':dead:jobs', id)
    -- A job of the same id that is queued now may have failed tries of its own.
    if not redis.call('ZSCORE', queue, id) or redis.call('EXISTS', 'arq:retry:' .. id) == 0 then
      redis.call('DEL', queue .. ':attempts:' .. id)
    end
  end
end
return replies
