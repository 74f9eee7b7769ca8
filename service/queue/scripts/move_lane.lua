-- Move a waiting job to another lane of its queue.
-- KEYS   1 the queue
-- ARGV   now in Unix ms (unused: nothing here depends on it), lane, ms that a low job is behind, id
-- Reply  1 it is in that lane now, 0 it is not in the queue, runs, or is being aborted
-- Cost   O(log n) with n ids in the queue
-- Atomic. The in-progress key is made from the id, so one Redis node must hold both.
local queue, lane, behind, id = KEYS[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]
local high, low = queue .. ':high', queue .. ':low'
local score = redis.call('ZSCORE', queue, id)
-- Score 1 is arq's abort under way; a leased id's scores are its lease, written by its owner only.
if not score or tonumber(score) == 1 or redis.call('EXISTS', 'arq:in-progress:' .. id) == 1 then
  return 0
end
local start = redis.call('ZSCORE', low, id) or score
redis.call('ZCARD', high) -- a key of another kind fails here, before the first write
redis.call('ZADD', queue, lane == 'low' and start + behind or start, id)
if lane ~= 'high' then redis.call('ZREM', high, id) else redis.call('ZADD', high, start, id) end
if lane ~= 'low' then redis.call('ZREM', low, id) else redis.call('ZADD', low, start, id) end
return 1
