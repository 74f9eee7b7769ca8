-- Read a page of the jobs of some queues that nobody runs, by their time. Writes nothing.
-- KEYS   the queues to look into
-- ARGV   now in Unix ms ('': the server's clock), 'scheduled' (their time is to come) or 'waiting',
--        jobs wanted of each queue, Unix ms and id of the last job of the page before ('', '': none)
-- Reply  for each job that was looked at: queue, id, Unix ms, 1 if it is of the page; else 0: it
--        runs, or it is due in its lane
-- Cost   O(log² n + jobs) per queue with n ids in it
-- Atomic. Keys are made from ids, so one Redis node must hold them all.
local call = redis.call
local now, future, wanted = tonumber(ARGV[1]), ARGV[2] == 'scheduled', tonumber(ARGV[3])
local after, last = tonumber(ARGV[4]), ARGV[5]
if not now then
  local time = call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
local FIRST = 2 -- below are arq's marks

-- The rank of the first id behind the last one: ids of one score are in order.
local function rank_behind(queue)
  local low = call('ZCOUNT', queue, '-inf', '(' .. ARGV[4])
  local high = call('ZCOUNT', queue, '-inf', ARGV[4])
  while low < high do
    local middle = math.floor((low + high) / 2)
    if call('ZRANGE', queue, middle, middle)[1] <= last then low = middle + 1 else high = middle end
  end
  return low
end

local reply = {}
for _, queue in ipairs(KEYS) do
  local begin = future and call('ZCOUNT', queue, '-inf', now) or call('ZCOUNT', queue, '-inf', '(' .. FIRST)
  if after then begin = math.max(begin, rank_behind(queue)) end
  local found = call('ZRANGE', queue, begin, begin + wanted - 1, 'WITHSCORES')
  for n = 1, #found, 2 do
    local id, score = found[n], tonumber(found[n + 1])
    if not future and score > now then break end
    local fits = call('EXISTS', 'arq:in-progress:' .. id) == 0
    if fits and future then
      local in_lane = call('ZSCORE', queue .. ':low', id)
      fits = not in_lane or tonumber(in_lane) > now
    end
    local at = #reply
    reply[at + 1], reply[at + 2] = queue, id
    reply[at + 3], reply[at + 4] = found[n + 1], fits and 1 or 0
  end
end
return reply
