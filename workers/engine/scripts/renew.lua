-- Renew the leases of running jobs; take one up again that ended while nobody else took the job.
-- KEYS   1 the queue: sorted set of job ids
-- ARGV   now in Unix ms ('': the server's clock), incarnation, lease in ms, then for each job:
--        id, token of its claim, sha1 of its payload
-- Reply  for each job: 1 renewed, 2 renewed and to be cancelled, 0 lost, 3 not now: memory is
--        full
-- Cost   O(log n) per job with n ids in the queue; call it with at most 100 jobs
-- Atomic per call, and may be repeated. Keys are made from ids, so one Redis node must hold them
--        all. The score is set, not only raised: a clock that was set back must not leave it ahead
--        of the lease.
local queue, incarnation, lease = KEYS[1], ARGV[2], tonumber(ARGV[3])
local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
local ends = now + lease + 3 -- ms as in claim.lua: visible only when the lease has ended
local codes = {}
local gone = redis.call('EXISTS', queue .. ':gone:' .. string.match(incarnation, '^[^.]*')) == 1
local indexes = {}
-- A key of another kind fails here, before the first write.
redis.call('ZCARD', queue)
redis.call('ZCARD', 'arq:abort')
redis.call('HLEN', queue .. ':claims')
for _, index in ipairs({ queue .. ':high', queue .. ':low' }) do
  if redis.call('ZCARD', index) > 0 then indexes[#indexes + 1] = index end
end
local keys = {}
for n = 4, #ARGV, 3 do keys[#keys + 1] = 'arq:in-progress:' .. ARGV[n] end
local holders = #keys > 0 and redis.call('MGET', unpack(keys))

local function untaken(id, token, sha)
  local claim = redis.call('HGET', queue .. ':claims', id)
  local mine = claim == token or claim == token .. ':alone' or claim == token .. ':started'
  if not mine or not redis.call('ZSCORE', queue, id) then return false end
  local payload = redis.pcall('GET', 'arq:job:' .. id)
  return type(payload) == 'string' and redis.sha1hex(payload) == sha
end

for n = 4, #ARGV, 3 do
  local id, token = ARGV[n], ARGV[n + 1]
  local item = #codes + 1
  local key, holder = keys[item], holders[item]
  if gone or holder and holder ~= token or not holder and not untaken(id, token, ARGV[n + 2]) then
    codes[item] = 0
  else
    -- A full memory refuses the first write that may take more; this one may not.
    local kept = holder and redis.call('PEXPIRE', key, lease)
      or redis.pcall('SET', key, token, 'PX', lease)
    if type(kept) == 'table' and kept.err then
      codes[#codes + 1] = 3
    else
      redis.call('ZADD', queue, 'XX', ends, id)
      for _, index in ipairs(indexes) do redis.call('ZADD', index, 'XX', ends, id) end
      codes[item] = redis.call('ZSCORE', 'arq:abort', id) and 2 or 1
    end
  end
end
return codes
