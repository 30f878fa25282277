import { sweepMax } from '../records.ts';

/** `telling` brings the function `tell` and the list `told`; it takes the first value, the mark. */
export function recordScripts(telling: string) {
  // Redis ends an expired record by its own clock, a little later at most; by the caller's it has ended already.
  const find = `
    local place = ARGV[2] .. '/' .. ARGV[3]
    local key = 'countersign:record:' .. place
    local function alive(now)
      local held = redis.call('HMGET', key, 'revision', 'expiresAt')
      if held[1] and (held[2] == '' or tonumber(held[2]) > tonumber(now)) then return held[1] end
      return ''
    end`;
  return {
    // mark, kind, id, value, revision, expiresAt or '', now, expected revision or '', milliseconds to live or ''
    recordPut: `${telling}${find}
      local odd = oddKey('countersign:records:' .. ARGV[2], 'zset') or oddKey('countersign:records-expiry', 'zset')
      if odd then return odd end
      if alive(ARGV[7]) ~= ARGV[8] then return told end
      redis.call('DEL', key)
      redis.call('HSET', key, 'value', ARGV[4], 'revision', ARGV[5], 'expiresAt', ARGV[6])
      redis.call('ZADD', 'countersign:records:' .. ARGV[2], 0, ARGV[3])
      if ARGV[6] == '' then
        redis.call('ZREM', 'countersign:records-expiry', place)
      else
        redis.call('PEXPIRE', key, ARGV[9])
        redis.call('ZADD', 'countersign:records-expiry', ARGV[6], place)
      end
      tell('records', place)
      return told`,
    // mark, kind, id, expected revision, now
    recordRemove: `${telling}${find}
      local odd = oddKey('countersign:records:' .. ARGV[2], 'zset') or oddKey('countersign:records-expiry', 'zset')
      if odd then return odd end
      if alive(ARGV[5]) ~= ARGV[4] then return told end
      redis.call('DEL', key)
      redis.call('ZREM', 'countersign:records:' .. ARGV[2], ARGV[3])
      redis.call('ZREM', 'countersign:records-expiry', place)
      tell('records', place)
      return told`,
    // kind, start ('-' or '(' and an id), how many ids: their number and the last one, then id, value, revision, expiresAt of each
    recordsPage: `
      local ids = redis.call('ZRANGEBYLEX', 'countersign:records:' .. ARGV[1], ARGV[2], '+', 'LIMIT', 0, ARGV[3])
      local rows = { #ids, ids[#ids] or '' }
      for _, id in ipairs(ids) do
        local held = redis.call('HMGET', 'countersign:record:' .. ARGV[1] .. '/' .. id, 'value', 'revision', 'expiresAt')
        if held[1] then
          table.insert(rows, id)
          for at = 1, 3 do table.insert(rows, held[at]) end
        end
      end
      return rows`,
    // before
    recordsExpired: `
      local places = redis.call('ZRANGEBYSCORE', 'countersign:records-expiry', '-inf', '(' .. ARGV[1], 'LIMIT', 0, ${sweepMax})
      for _, place in ipairs(places) do
        local slash = string.find(place, '/', 1, true)
        redis.call('DEL', 'countersign:record:' .. place)
        redis.call('ZREM', 'countersign:records:' .. string.sub(place, 1, slash - 1), string.sub(place, slash + 1))
        redis.call('ZREM', 'countersign:records-expiry', place)
      end
      return #places`,
  };
}
