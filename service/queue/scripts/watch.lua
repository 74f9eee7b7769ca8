-- Have the live events written for a while, and say which was the last.
-- KEYS   1 what says that somebody watches: string, 2 the live events: stream
-- ARGV   now in Unix ms (unused: nothing here depends on it), ms to be watched for, ms to keep the
--        events for
-- Reply  id of the last event; there is one, for a new watch begins with an event 'begin'
-- Cost   O(1)
-- Atomic.
if redis.call('EXISTS', KEYS[1]) == 0 then
  redis.call('XADD', KEYS[2], 'MAXLEN', '~', 10000, '*', 'e', 'begin')
end
redis.call('SET', KEYS[1], '1', 'PX', ARGV[2])
redis.call('PEXPIRE', KEYS[2], ARGV[3])
local last = redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', 1)[1]
if last then return last[1] end
return redis.call('XADD', KEYS[2], '*', 'e', 'begin') -- somebody has deleted the events
