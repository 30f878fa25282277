/** A hash of groups and one of measures for each bucket, and the starts of the buckets of each size. */
export const rollupAdding = `
  local function later(a, b) return tonumber(a) > tonumber(b) end
  local function bucket(kind, size, start)
    redis.call('ZADD', 'countersign:rollups:' .. size, start, start)
    return 'countersign:' .. kind .. ':' .. size .. ':' .. start
  end
  local function keepIf(held, field, value, better)
    local before = redis.call('HGET', held, field)
    if before and not better(value, before) then return false end
    redis.call('HSET', held, field, value)
    return true
  end
  local function sooner(a, b) return later(b, a) end
  local function notSooner(a, b) return not later(b, a) end
  -- how many groups; size, start, key, group, count, first, last, request id, and so on; then the measures: size, start,
  -- measure, count, least, most, and so on
  local function addRollups(at)
    local groups = tonumber(ARGV[at])
    at = at + 1
    for _ = 1, groups do
      local held = bucket('rollup', ARGV[at], ARGV[at + 1])
      local key = ARGV[at + 2]
      redis.call('HSETNX', held, 'group ' .. key, ARGV[at + 3])
      redis.call('HINCRBY', held, 'count ' .. key, ARGV[at + 4])
      keepIf(held, 'first ' .. key, ARGV[at + 5], sooner)
      if keepIf(held, 'last ' .. key, ARGV[at + 6], notSooner) then
        redis.call('HSET', held, 'request ' .. key, ARGV[at + 7])
      end
      at = at + 8
    end
    while at < #ARGV do
      local held = bucket('measures', ARGV[at], ARGV[at + 1])
      redis.call('HINCRBY', held, 'count ' .. ARGV[at + 2], ARGV[at + 3])
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
  // size, start: groups, then measures
  rollupBucket: `
    return {
      redis.call('HGETALL', 'countersign:rollup:' .. ARGV[1] .. ':' .. ARGV[2]),
      redis.call('HGETALL', 'countersign:measures:' .. ARGV[1] .. ':' .. ARGV[2]) }`,
  // size, before, how many at most
  rollupsPrune: `
    local starts = redis.call('ZRANGEBYSCORE', 'countersign:rollups:' .. ARGV[1], '-inf', '(' .. ARGV[2], 'LIMIT', 0, ARGV[3])
    for _, start in ipairs(starts) do
      redis.call('UNLINK', 'countersign:rollup:' .. ARGV[1] .. ':' .. start, 'countersign:measures:' .. ARGV[1] .. ':' .. start)
      redis.call('ZREM', 'countersign:rollups:' .. ARGV[1], start)
    end
    return #starts`,
};
