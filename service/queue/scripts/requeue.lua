-- Queue jobs again whatever an earlier run of the same id left behind.
-- KEYS   1 the queue: sorted set of job ids, score = Unix ms at which the job may start
-- ARGV   now in Unix ms ('': the server's clock), lane, ms the payloads are kept ('': for good),
--        ms that a low job is behind; then for each job: id, score ('': now), payload
-- Reply  for each job: 1 queued now, 0 it was in the queue (a lost payload is written again)
-- Cost   O(log n) per job with n ids in the queue; call it with at most 100 jobs
-- Atomic per call. The keys of a job are made from its id, so one Redis node must hold them all.
--        ZADD comes first: it is the only write that can fail (not a sorted set, out of memory).
local queue, lane, ttl = KEYS[1], ARGV[2], ARGV[3]
local index = lane ~= 'normal' and queue .. ':' .. lane
local behind = lane == 'low' and tonumber(ARGV[4]) or 0
local watched = redis.call('EXISTS', 'almanac:live:watched') == 1
-- with announce
local now = ARGV[1]
if now == '' then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
for _, name in ipairs({ queue .. ':claims', queue .. ':crashes', queue .. ':dead:jobs' }) do
  redis.call('HLEN', name) -- a key of another kind fails here, before the first write
end
redis.call('ZCARD', queue .. ':dead')
redis.call('ZCARD', 'arq:abort')
if index then redis.call('ZCARD', index) end

local replies, left, ids = {}, {}, {}
for n = 1, (#ARGV - 4) / 3 do
  local id, start, payload = ARGV[3 * n + 2], ARGV[3 * n + 3], ARGV[3 * n + 4]
  local options = { 'arq:job:' .. id, payload }
  if ttl ~= '' then options[3], options[4] = 'PX', ttl end
  if redis.call('ZSCORE', queue, id) then
    options[#options + 1] = 'NX'
    redis.call('SET', unpack(options))
    replies[n] = 0
  else
    if start == '' then start = now end
    redis.call('ZADD', queue, start + behind, id)
    if index then redis.call('ZADD', index, start, id) end
    redis.call('SET', unpack(options))
    for _, key in ipairs({ 'arq:result:', 'arq:retry:', queue .. ':attempts:' }) do
      left[#left + 1] = key .. id
    end
    ids[#ids + 1] = id
    replies[n] = 1
    if watched then announce('queued', queue, id, payload, '', start) end
  end
end
if #ids > 0 then
  redis.call('DEL', unpack(left))
  redis.call('ZREM', 'arq:abort', unpack(ids))
  redis.call('HDEL', queue .. ':claims', unpack(ids))
  redis.call('HDEL', queue .. ':crashes', unpack(ids))
  redis.call('ZREM', queue .. ':dead', unpack(ids))
  redis.call('HDEL', queue .. ':dead:jobs', unpack(ids))
end
return replies
