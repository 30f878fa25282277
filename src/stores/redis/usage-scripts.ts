import { usesKeptMax } from '../../core/store.ts';

/** Of each credential a hash of its uses, and their places by the time of the last one. */
export const usageScripts = {
  // credential, place, count, first use, last use, and so on
  usageAdd: `
    local function later(a, b) return tonumber(a) > tonumber(b) end
    for at = 1, #ARGV, 5 do
      local uses = 'countersign:usage:' .. ARGV[at]
      local places = 'countersign:usage-places:' .. ARGV[at]
      local place = ARGV[at + 1]
      redis.call('SADD', 'countersign:usage', ARGV[at])
      redis.call('HINCRBY', uses, 'count ' .. place, ARGV[at + 2])
      local held = redis.call('HMGET', uses, 'first ' .. place, 'last ' .. place)
      if not held[1] or later(held[1], ARGV[at + 3]) then redis.call('HSET', uses, 'first ' .. place, ARGV[at + 3]) end
      if not held[2] or later(ARGV[at + 4], held[2]) then
        redis.call('HSET', uses, 'last ' .. place, ARGV[at + 4])
        redis.call('ZADD', places, ARGV[at + 4], place)
      end
      for _, gone in ipairs(redis.call('ZRANGE', places, 0, -${usesKeptMax + 1})) do
        redis.call('HDEL', uses, 'count ' .. gone, 'first ' .. gone, 'last ' .. gone)
        redis.call('ZREM', places, gone)
      end
    end
    return 0`,
  // credential: place, count, first use, last use, and so on
  usageOf: `
    local uses = 'countersign:usage:' .. ARGV[1]
    local found = {}
    for _, place in ipairs(redis.call('ZRANGE', 'countersign:usage-places:' .. ARGV[1], 0, -1)) do
      table.insert(found, place)
      local held = redis.call('HMGET', uses, 'count ' .. place, 'first ' .. place, 'last ' .. place)
      for part = 1, 3 do table.insert(found, held[part]) end
    end
    return found`,
};
