-- Queue one job unless its key is taken (unique), or move the waiting job of its key (debounced).
-- KEYS   1 the queue, 2 the lock of the key: string, the id of the job that took it
-- ARGV   now in Unix ms ('': the server's clock), lane, ms that a low job is behind,
--        'unique' or 'debounced', period in ms, id, score ('': now), payload
-- Reply  the id of the job that will run: the given one or, debounced, the moved one; nil: refused
-- Cost   O(log n) with n ids in the queue
-- Atomic. The keys of a job are made from its id, so one Redis node must hold them all.
--        ZADD comes first: it is the only write that can fail (not a sorted set, out of memory).
local queue, lock = KEYS[1], KEYS[2]
local lane, behind, mode, period = ARGV[2], tonumber(ARGV[3]), ARGV[4], tonumber(ARGV[5])
local id, start, payload = ARGV[6], ARGV[7], ARGV[8]
local DAY = 86400000
local watched = redis.call('EXISTS', 'almanac:live:watched') == 1
-- with announce
local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end

local function begun(job)
  return redis.call('EXISTS', 'arq:in-progress:' .. job, 'arq:retry:' .. job) > 0
    or redis.call('HEXISTS', queue .. ':claims', job) == 1
    or redis.call('HEXISTS', queue .. ':crashes', job) == 1
end

-- Its own id is held where the reply to the first attempt was lost and the caller asks again.
local held = redis.call('GET', lock)
local moved = false
local lock_for = period
if mode == 'unique' then
  if held then return held == id and id or nil end
  if start == '' then start = now end
else
  start = now + period
  -- It outlives the wait, so that a backlog makes no second job; what is no longer queued frees it.
  lock_for = period + DAY
  local score = held and redis.call('ZSCORE', queue, held)
  if score and tonumber(score) > 1 and not begun(held) then
    id, moved = held, true
  end
end
if not moved and redis.call('EXISTS', 'arq:job:' .. id, 'arq:result:' .. id) > 0 then
  return held == id and id or nil
end

local index = lane ~= 'normal' and queue .. ':' .. lane
redis.call('ZCARD', queue .. ':high') -- a key of another kind fails here, before the first write
redis.call('ZCARD', queue .. ':low')
redis.call('ZADD', queue, lane == 'low' and start + behind or start, id)
if moved then
  redis.call('ZREM', queue .. ':high', id)
  redis.call('ZREM', queue .. ':low', id)
end
if index then redis.call('ZADD', index, start, id) end
redis.call('SET', 'arq:job:' .. id, payload)
redis.call('SET', lock, id, 'PX', lock_for)
redis.call('ZREM', 'arq:abort', id)
if watched then announce('queued', queue, id, payload, '', start) end
return id
