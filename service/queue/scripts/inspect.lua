-- Read all that Redis knows of one job, at one instant. Writes nothing.
-- KEYS   the queues to look into
-- ARGV   now in Unix ms ('': the server's clock), id
-- Reply  nil: unknown; {'ended', result}; or {'open' or 'dead', queue, Unix ms, payload, tries, lane,
--        leased 1/0, crashes, due 1/0, JSON of the last error}: the time is when it may start or
--        when it died, '' stands for what there is not
-- Cost   O(log n) per queue with n ids in it
-- Atomic. Keys are made from the id, so one Redis node must hold them all.
local id = ARGV[2]
local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
local result = redis.call('GET', 'arq:result:' .. id)
if result then return { 'ended', result } end

local tries = redis.call('GET', 'arq:retry:' .. id) or '0'
for _, queue in ipairs(KEYS) do
  local score = redis.call('ZSCORE', queue, id)
  if score then
    local low = redis.call('ZSCORE', queue .. ':low', id)
    local high = not low and redis.call('ZSCORE', queue .. ':high', id)
    local start = low or score
    return {
      'open', queue, start,
      redis.call('GET', 'arq:job:' .. id) or '',
      tries,
      low and 'low' or high and 'high' or 'normal',
      redis.call('EXISTS', 'arq:in-progress:' .. id),
      redis.call('HGET', queue .. ':crashes', id) or '0',
      tonumber(start) <= now and 1 or 0,
      redis.call('LINDEX', queue .. ':attempts:' .. id, -1) or '',
    }
  end
end
for _, queue in ipairs(KEYS) do
  local died = redis.call('ZSCORE', queue .. ':dead', id)
  if died then
    return {
      'dead', queue, died,
      redis.call('HGET', queue .. ':dead:jobs', id) or '',
      tostring(redis.call('LLEN', queue .. ':attempts:' .. id)),
      'normal', 0, '0', 0,
      redis.call('LINDEX', queue .. ':attempts:' .. id, -1) or '',
    }
  end
end
return nil
