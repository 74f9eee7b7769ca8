-- Look after what arq's own clients leave behind: payloads of jobs that wait long, marks of none.
-- KEYS   1 the queue: sorted set of job ids
-- ARGV   now in Unix ms ('': the server's clock), how many of the jobs concerned to pass over
-- Reply  how many to pass over next time; 0 when all were looked at
-- Cost   O(log n) with n ids in the queue, for at most 100 jobs and 100 marks
-- Atomic per call, and may be repeated.
--
-- arq's clients let a payload expire a day after its job is due. A queue that is paused or behind
-- for so long would lose it, so the day becomes for ever in its last hours; a limit that somebody
-- chose stays. An abort mark whose job is nowhere would cancel a later job of the same id.
local queue, offset = KEYS[1], tonumber(ARGV[2])
local DAY, HOURS_LEFT, SLACK, PAGE = 86400000, 7200000, 60000, 100
local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
if offset == 0 then
  for _, id in ipairs(redis.call('ZRANDMEMBER', 'arq:abort', PAGE)) do
    if redis.call('EXISTS', 'arq:job:' .. id, 'arq:in-progress:' .. id) == 0 then
      redis.call('ZREM', 'arq:abort', id)
    end
  end
end
local waiting = redis.call('ZRANGEBYSCORE', queue, now - DAY - SLACK, now - DAY + HOURS_LEFT,
  'WITHSCORES', 'LIMIT', offset, PAGE)
for i = 1, #waiting, 2 do
  local key = 'arq:job:' .. waiting[i]
  local left = redis.call('PTTL', key)
  if left > 0 and math.abs(now + left - waiting[i + 1] - DAY) < SLACK then
    redis.call('PERSIST', key)
  end
end
return #waiting == 2 * PAGE and offset + PAGE or 0
