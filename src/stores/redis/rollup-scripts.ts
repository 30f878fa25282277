import { keeping } from './keeping-scripts.ts';

/** A hash of groups and one of measures for each bucket, and the starts of the buckets of each size. Needs `oddKeys`. */
export const rollupAdding = `
  ${keeping}
  local function bucketKey(kind, size, start) return 'countersign:' .. kind .. ':' .. size .. ':' .. start end
  local function bucket(kind, size, start)
    redis.call('ZADD', 'countersign:rollups:' .. size, start, start)
    return bucketKey(kind, size, start)
  end
  local function oddBucket(kind, at)
    return oddKey('countersign:rollups:' .. ARGV[at], 'zset') or oddKey(bucketKey(kind, ARGV[at], ARGV[at + 1]), 'hash')
  end
  -- how many groups; size, start, key, group, count, first, last, request id, and so on; then the measures: size, start,
  -- measure, count, least, most, and so on
  local function oddRollups(at)
    local measures = at + 1 + 8 * tonumber(ARGV[at])
    local odd
    for group = at + 1, measures - 1, 8 do odd = odd or oddBucket('rollup', group) end
    for measure = measures, #ARGV, 6 do odd = odd or oddBucket('measures', measure) end
    return odd
  end
  local function addRollups(at)
    local groups = tonumber(ARGV[at])
    at = at + 1
    for _ = 1, groups do
      local held = bucket('rollup', ARGV[at], ARGV[at + 1])
      local key = ARGV[at + 2]
      redis.call('HSETNX', held, 'group ' .. key, ARGV[at + 3])
      countUp(held, 'count ' .. key, ARGV[at + 4])
      keepIf(held, 'first ' .. key, ARGV[at + 5], sooner)
      if keepIf(held, 'last ' .. key, ARGV[at + 6], notSooner) then
        redis.call('HSET', held, 'request ' .. key, ARGV[at + 7])
      end
      at = at + 8
    end
    while at < #ARGV do
      local held = bucket('measures', ARGV[at], ARGV[at + 1])
      countUp(held, 'count ' .. ARGV[at + 2], ARGV[at + 3])
      keepIf(held, 'least ' .. ARGV[at + 2], ARGV[at + 4], sooner)
      keepIf(held, 'most ' .. ARGV[at + 2], ARGV[at + 5], later)
      at = at + 6
    end
  end`;

export const rollupScripts = {
  // no arguments: the start of the oldest minute
  rollupsOldest: `return redis.call('ZRANGE', 'countersign:rollups:60', 0, 0)`,
  // size, from, until
  rollupStarts: `return redis.call('ZRANGEBYSCORE', 'countersign:rollups:' .. ARGV[1], ARGV[2], '(' .. ARGV[3])`,
  // size, start: groups, then measures; false for what is no hash
  rollupBucket: `
    local function held(kind)
      local fields = redis.pcall('HGETALL', 'countersign:' .. kind .. ':' .. ARGV[1] .. ':' .. ARGV[2])
      return not fields.err and fields
    end
    return { held('rollup'), held('measures') }`,
  // size, before, how many at most
  rollupsPrune: `
    local starts = redis.call('ZRANGEBYSCORE', 'countersign:rollups:' .. ARGV[1], '-inf', '(' .. ARGV[2], 'LIMIT', 0, ARGV[3])
    for _, start in ipairs(starts) do
      redis.call('UNLINK', 'countersign:rollup:' .. ARGV[1] .. ':' .. start, 'countersign:measures:' .. ARGV[1] .. ':' .. start)
      redis.call('ZREM', 'countersign:rollups:' .. ARGV[1], start)
    end
    return #starts`,
};
