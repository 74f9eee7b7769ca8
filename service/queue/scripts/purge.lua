-- Remove jobs that do not run from a queue, with all that belongs to them.
-- KEYS   1 the queue: sorted set of job ids
-- ARGV   now in Unix ms (unused: nothing here depends on it), entries that the stream of events
--        keeps, then for each job: id, event ('': none)
-- Reply  for each id: 1 removed, 0 it runs, -1 it is not in the queue
-- Cost   O(log n) per id with n ids in the queue; call it with at most 100 ids
-- Atomic per call. The keys of a job are made from its id, so one Redis node must hold them all.
local queue = KEYS[1]
local watched = redis.call('EXISTS', 'almanac:live:watched') == 1
-- with announce
redis.call('ZCARD', 'arq:abort')
for _, hash in ipairs({ ':claims', ':crashes' }) do
  redis.call('HLEN', queue .. hash) -- a key of another kind fails here, before the first write
end
for _, index in ipairs({ ':high', ':low' }) do
  redis.call('ZCARD', queue .. index)
end
local replies, ids, keys, touched, events = {}, {}, {}, {}, {}
for n = 3, #ARGV, 2 do
  local id, place = ARGV[n], (n - 1) / 2
  if not redis.call('ZSCORE', queue, id) then
    replies[place] = -1
  elseif redis.call('EXISTS', 'arq:in-progress:' .. id) == 1 then
    replies[place] = 0
  else
    replies[place] = 1
    ids[#ids + 1] = id
    if ARGV[n + 1] ~= '' then events[#events + 1], events[#events + 2] = id, ARGV[n + 1] end
    if watched then
      local text = ARGV[n + 1] ~= '' and ARGV[n + 1] or redis.pcall('GETEX', 'arq:job:' .. id)
      announce('cancelled', queue, id, text)
    end
    touched[#touched + 1] = 'arq:in-progress:' .. id
    touched[#touched + 1] = 'purged'
    for _, key in ipairs({ 'arq:in-progress:', 'arq:job:', 'arq:retry:', queue .. ':attempts:' }) do
      keys[#keys + 1] = key .. id
    end
  end
end
if #ids > 0 then
  -- arq's worker watches these keys between reading the queue and starting a job: touching them
  -- makes a start that is under way fail. It comes first, because out of memory refuses it.
  redis.call('MSET', unpack(touched))
  redis.call('DEL', unpack(keys))
  for _, set in ipairs({ queue, queue .. ':high', queue .. ':low', 'arq:abort' }) do
    redis.call('ZREM', set, unpack(ids))
  end
  redis.call('HDEL', queue .. ':claims', unpack(ids))
  redis.call('HDEL', queue .. ':crashes', unpack(ids))
end
if #events > 0 then
  redis.pcall('XADD', queue .. ':events', 'MAXLEN', '~', ARGV[2], '*', '', '', unpack(events))
end
return replies
