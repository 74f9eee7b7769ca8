-- Tell since when the stream of a queue's events holds what is not recorded.
-- KEYS   1 the stream, 2 its generation
-- ARGV   now in Unix ms (unused: nothing here depends on it), generation and id of the last
--        recorded entry
-- Reply  Unix ms of the first entry that is not recorded; '' if there is none
-- Cost   O(1), whatever the entry holds: it does not leave the server
-- Atomic, so that an id of one generation is never compared with another's.
local last = redis.call('GET', KEYS[2]) == ARGV[2] and ARGV[3] or '0-0'
local found = redis.call('XRANGE', KEYS[1], '(' .. last, '+', 'COUNT', 1)
return found[1] and string.match(found[1][1], '%d+') or ''
