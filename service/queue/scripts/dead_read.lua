-- Read dead jobs: a page of the latest, or those of given ids. Writes nothing.
-- KEYS   1 the queue
-- ARGV   now in Unix ms (unused: nothing here depends on it), how many of a page, Unix ms and id
--        of the last job of the page before ('', '': the first page), then ids instead of a page
-- Reply  for each job: id, Unix ms when it died, payload ('': expired), number of failed tries,
--        JSON of the errors of the last of them
-- Cost   O(log n) with n dead jobs, and the size of the reply; call it for at most 100 jobs
-- Atomic. Keys are made from ids, so one Redis node must hold them all.
local queue = KEYS[1]
local dead = queue .. ':dead'
local ERRORS = 20
local entries = {}
if #ARGV > 4 then
  for n = 5, #ARGV do
    local died = redis.call('ZSCORE', dead, ARGV[n])
    if died then
      entries[#entries + 1] = ARGV[n]
      entries[#entries + 1] = died
    end
  end
else
  local first = 0
  if ARGV[4] ~= '' then
    local rank = redis.call('ZREVRANK', dead, ARGV[4])
    if rank and tonumber(redis.call('ZSCORE', dead, ARGV[4])) == tonumber(ARGV[3]) then
      first = rank + 1
    else -- it was replayed meanwhile: those of the same instant are shown again
      first = redis.call('ZCOUNT', dead, '(' .. ARGV[3], '+inf')
    end
  end
  entries = redis.call('ZREVRANGE', dead, first, first + ARGV[2] - 1, 'WITHSCORES')
end
local replies = {}
for n = 1, #entries, 2 do
  local id = entries[n]
  local attempts = queue .. ':attempts:' .. id
  replies[#replies + 1] = {
    id,
    entries[n + 1],
    redis.call('HGET', queue .. ':dead:jobs', id) or '',
    redis.call('LLEN', attempts),
    redis.call('LRANGE', attempts, -ERRORS, -1),
  }
end
return replies
