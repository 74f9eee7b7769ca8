-- Read what ended and is not recorded yet; forget what is.
-- KEYS   1 the stream of a queue's events, 2 its generation: string, gone when Redis lost both
-- ARGV   now in Unix ms (unused: nothing here depends on it), generation to begin if there is none,
--        generation and id of the last recorded entry, entries at most, bytes after which no more
--        are read
-- Reply  generation; entries that have left the stream, recorded or not; 1 where a limit ended the
--        reading, else 0; entries: id, then the fields '', worker, and id and event of each job
-- Cost   O(n) for n entries forgotten or read
-- Atomic, so that entries of one generation are never taken for another's.
local stream, generation_key = KEYS[1], KEYS[2]
local known, last, most, most_bytes = ARGV[3], ARGV[4], tonumber(ARGV[5]), tonumber(ARGV[6])
local STEP = 10
local generation = redis.call('GET', generation_key)
if not generation then
  generation = ARGV[2]
  redis.call('SET', generation_key, generation)
end
if generation ~= known then last = '0-0' end
if redis.call('EXISTS', stream) == 0 then return { generation, 0, 0, {} } end

local function parts(id)
  local ms, sequence = string.match(id, '(%d+)-(%d+)')
  return tonumber(ms), tonumber(sequence)
end

local function about()
  local info = redis.call('XINFO', 'STREAM', stream)
  local found = {}
  for n = 1, #info, 2 do found[info[n]] = info[n + 1] end
  return found
end

local ms, sequence = parts(last)
redis.call('XTRIM', stream, 'MINID', string.format('%.0f-%.0f', ms, sequence + 1))
local found = about()
local newest_ms, newest_sequence = parts(found['last-generated-id'])
if newest_ms < ms or newest_ms == ms and newest_sequence < sequence then
  -- A failover to an older copy, whose clock may be behind: the next entries come after all the same.
  redis.call('XSETID', stream, last)
end

local entries, bytes, from = {}, 0, '-'
while #entries < most and bytes < most_bytes do
  local page = redis.call('XRANGE', stream, from, '+', 'COUNT', math.min(STEP, most - #entries))
  if #page == 0 then break end
  for _, entry in ipairs(page) do
    entries[#entries + 1] = entry
    for _, field in ipairs(entry[2]) do bytes = bytes + #field end
  end
  from = '(' .. page[#page][1]
end
local more = #entries >= most or bytes >= most_bytes
return { generation, found['entries-added'] - found['length'], more and 1 or 0, entries }
