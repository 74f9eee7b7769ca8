-- Remove an abort mark that was meant for an earlier job of the same id.
-- KEYS   1 the abort marks: sorted set of job ids, score = Unix ms of the request
-- ARGV   id, score of the mark that was seen
-- Reply  1 removed, 0 it is another by now, or gone
-- Cost   O(log n) with n marks
-- Atomic, and may be repeated.
if redis.call('ZSCORE', KEYS[1], ARGV[1]) ~= ARGV[2] then return 0 end
return redis.call('ZREM', KEYS[1], ARGV[1])
