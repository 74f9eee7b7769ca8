-- Tell whoever watches how far a job is.
-- KEYS   1 the live events: stream
-- ARGV   now in Unix ms (unused: nothing here depends on it), id, percent, what it says ('': nothing)
-- Reply  1 told, 0 nobody watches
-- Cost   O(1)
-- Atomic. The key of the payload is made from the id, so one Redis node must hold them all.
if redis.call('EXISTS', 'almanac:live:watched') == 0 then return 0 end
-- with announce
local name, actor = function_and_actor(redis.call('GET', 'arq:job:' .. ARGV[2]))
redis.call('XADD', KEYS[1], 'MAXLEN', '~', 10000, '*', 'e', 'progress', 'q', '', 'id', ARGV[2],
  'f', name, 'a', actor, 'w', '', 'at', '', 'p', ARGV[3], 't', ARGV[4])
return 1
