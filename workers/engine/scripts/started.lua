-- Write that a job which was claimed alone begins, so that a crash from now on is its own.
-- KEYS   1 the claims: hash of job id to token
-- ARGV   id, token of its claim
-- Reply  1 written (also by an earlier call), 0 the claim is another's
-- Cost   O(1)
-- Atomic, and may be repeated.
local claim = redis.call('HGET', KEYS[1], ARGV[1])
local started = ARGV[2] .. ':started'
if claim == ARGV[2] .. ':alone' then redis.call('HSET', KEYS[1], ARGV[1], started) end
return (claim == started or claim == ARGV[2] .. ':alone') and 1 or 0
