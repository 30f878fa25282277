import { usesKeptMax } from '../../core/store.ts';
import { keeping, oddKeys } from './keeping-scripts.ts';

/** Of each credential a hash of its uses, and their places by the time of the last one. */
export const usageScripts = {
  // credential, place, count, first use, last use, and so on
  usageAdd: `
    ${keeping}${oddKeys}
    for at = 1, #ARGV, 5 do
      local odd = oddKey('countersign:usage', 'set') or oddKey('countersign:usage:' .. ARGV[at], 'hash')
        or oddKey('countersign:usage-places:' .. ARGV[at], 'zset')
      if odd then return odd end
    end
    for at = 1, #ARGV, 5 do
      local uses = 'countersign:usage:' .. ARGV[at]
      local places = 'countersign:usage-places:' .. ARGV[at]
      local place = ARGV[at + 1]
      redis.call('SADD', 'countersign:usage', ARGV[at])
      countUp(uses, 'count ' .. place, ARGV[at + 2])
      keepIf(uses, 'first ' .. place, ARGV[at + 3], sooner)
      if keepIf(uses, 'last ' .. place, ARGV[at + 4], later) then redis.call('ZADD', places, ARGV[at + 4], place) end
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
