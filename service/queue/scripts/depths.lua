-- Count the jobs of queues by where they are, at one instant. Writes nothing.
-- KEYS   the queues
-- ARGV   now in Unix ms ('': the server's clock), ms that a low job is behind
-- Reply  for each queue: paused 1/0, jobs that are due and unclaimed, jobs that run, jobs whose time
--        is to come, dead jobs kept here, ms since the first of the due ones was due (0: none), ids
--        in the queue
-- Cost   O(log n) per queue with n ids in it, and up to 1,000 running jobs looked at; above, claims
--        are counted, of which those of dead workers are some
-- Atomic. Keys are made from ids, so one Redis node must hold them all.
local call = redis.call
local now, behind = tonumber(ARGV[1]), tonumber(ARGV[2])
if not now then
  local time = call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
local FIRST, MOST = 2, 1000 -- below the first score are arq's marks

local function running(claims)
  local count = call('HLEN', claims)
  if count == 0 or count > MOST then return count end
  local leases = call('HRANDFIELD', claims, MOST) -- all, for there are no more
  for n, id in ipairs(leases) do leases[n] = 'arq:in-progress:' .. id end
  return call('EXISTS', unpack(leases))
end

local function age(index)
  local first = call('ZRANGE', index, FIRST, now, 'BYSCORE', 'LIMIT', 0, 1, 'WITHSCORES')[2]
  return first and now - tonumber(first) or 0
end

local reply = {}
for n, queue in ipairs(KEYS) do
  local low = queue .. ':low'
  -- A low job stands behind its time in the queue, and at it in the lane's index.
  local young = call('ZCOUNT', low, '(' .. string.format('%.0f', now - behind), now)
  local held = running(queue .. ':claims')
  local later = call('ZCOUNT', queue, '(' .. string.format('%.0f', now), '+inf')
  reply[n] = {
    call('EXISTS', queue .. ':paused'),
    call('ZCOUNT', queue, FIRST, now) + young,
    held,
    math.max(0, later - young - held),
    call('ZCARD', queue .. ':dead'),
    math.floor(math.max(age(queue), age(low))),
    call('ZCARD', queue),
  }
end
return reply
