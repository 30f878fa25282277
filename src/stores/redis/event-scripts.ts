import { chainStart } from '../../core/event.ts';

/** Each chain is a sorted set by number; where it ends stands apart. */
export const eventScripts = {
  // chain, sequence, expected end, new end, time, row
  eventAppend: `
    local held = redis.call('GET', 'countersign:events-head:' .. ARGV[1])
    local ends = held and string.match(held, '^%d+ %x+') or '0 ${chainStart}'
    if ends ~= ARGV[3] then return 0 end
    redis.call('ZADD', 'countersign:events:' .. ARGV[1], ARGV[2], ARGV[6])
    redis.call('SET', 'countersign:events-head:' .. ARGV[1], ARGV[4] .. ' ' .. ARGV[5])
    return 1`,
  // chain, number from which to go back, or '+inf', how many: each with its number
  eventsBefore: `return redis.call('ZREVRANGEBYSCORE', 'countersign:events:' .. ARGV[1], ARGV[2], '-inf', 'WITHSCORES', 'LIMIT', 0, ARGV[3])`,
  // chain, number from which to go on, how many to leave out, how many: each with its number
  eventsFrom: `return redis.call('ZRANGEBYSCORE', 'countersign:events:' .. ARGV[1], ARGV[2], '+inf', 'WITHSCORES', 'LIMIT', ARGV[3], ARGV[4])`,
  // chain, last number to go
  eventsPrune: `return redis.call('ZREMRANGEBYSCORE', 'countersign:events:' .. ARGV[1], '-inf', ARGV[2])`,
};
