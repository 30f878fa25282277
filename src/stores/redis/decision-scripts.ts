import { oddKeys } from './keeping-scripts.ts';
import { rollupAdding } from './rollup-scripts.ts';

/** How many decisions are kept at most. */
export const decisionsMax = 100_000;

/** How long the mark of a writer is kept after its last rows. */
const writerSeconds = 86_400;

/** Of what others put in so many are kept for whoever looks into it. */
const displacedMax = 1000;

const removing = `
  local function remove(member)
    local id = string.gsub(member, '^0+', '') .. '-0'
    if string.match(id, '^%d+-0$') then redis.call('XDEL', 'countersign:decisions', id) end
    redis.call('ZREM', 'countersign:decisions-by-time', member)
    redis.call('ZREM', 'countersign:decisions-strangers', member)
  end
  local function removeStrangers(kept, most)
    local beyond = math.min(redis.call('ZCARD', 'countersign:decisions-strangers') - kept, most)
    if beyond <= 0 then return 0 end
    local members = redis.call('ZRANGE', 'countersign:decisions-strangers', 0, beyond - 1)
    for _, member in ipairs(members) do remove(member) end
    return #members
  end
  local function removeFirst(kept, most)
    local beyond = math.min(redis.call('XLEN', 'countersign:decisions') - kept, most)
    if beyond <= 0 then return 0 end
    local entries = redis.call('XRANGE', 'countersign:decisions', '-', '+', 'COUNT', beyond)
    for _, entry in ipairs(entries) do
      local sequence = string.gsub(entry[1], '%-0$', '')
      redis.call('XDEL', 'countersign:decisions', entry[1])
      remove(string.rep('0', 16 - #sequence) .. sequence)
    end
    return #entries
  end`;

/**
 * A stream takes only what is beyond all that it ever had, and it, and the counter of its rows, may have been given anything by
 * whoever may write there. Numbers go on behind the greatest; but behind the greatest of all there is none, so what stands so far
 * out that no server ever gave it is put aside for the operator to see, and the stream goes on behind the rest.
 */
const numbering = `
  local function numberOf(id) return tonumber(string.match(id, '^%d+')) end
  local function lastNumber()
    local counted = tonumber(redis.call('GET', 'countersign:decisions-sequence') or '')
    if not counted or counted < 0 or counted ~= math.floor(counted) or counted > 2^53 - 2^40 then counted = 0 end
    if redis.call('EXISTS', 'countersign:decisions') == 0 then return counted end
    local info = redis.call('XINFO', 'STREAM', 'countersign:decisions')
    local given
    for at = 1, #info, 2 do if info[at] == 'last-generated-id' then given = numberOf(info[at + 1]) end end
    if given <= counted then return counted end
    if given < 2^52 then return given end
    local from = string.format('%.0f', math.max(counted, 2^52) + 1) .. '-0'
    local odd
    repeat
      odd = redis.call('XRANGE', 'countersign:decisions', from, '+', 'COUNT', ${displacedMax})
      for _, entry in ipairs(odd) do
        redis.call('RPUSH', 'countersign:decisions-displaced', entry[1] .. ' ' .. cjson.encode(entry[2]))
        redis.call('XDEL', 'countersign:decisions', entry[1])
      end
      redis.call('LTRIM', 'countersign:decisions-displaced', -${displacedMax}, -1)
    until #odd == 0
    local last = redis.call('XREVRANGE', 'countersign:decisions', '+', '-', 'COUNT', 1)[1]
    local isBehind = last and numberOf(last[1]) >= counted
    redis.call('XSETID', 'countersign:decisions', isBehind and last[1] or string.format('%.0f-0', counted))
    return isBehind and numberOf(last[1]) or counted
  end`;

export const decisionScripts = {
  // how many rows; time, row, 1 for one of nobody proven or 0, and so on; then the roll-ups; then the writer, its last mark and its
  // next one: 0 and nothing is done where its last mark is another
  decisionsAppend: `
    local writer, last, mark = 'countersign:decisions-writer:' .. ARGV[#ARGV - 2], ARGV[#ARGV - 1], ARGV[#ARGV]
    for _ = 1, 3 do table.remove(ARGV) end
    local count = tonumber(ARGV[1])
    ${removing}${numbering}${oddKeys}${rollupAdding}
    local odd = oddKey('countersign:decisions', 'stream') or oddKey('countersign:decisions-sequence', 'string')
      or oddKey('countersign:decisions-by-time', 'zset') or oddKey('countersign:decisions-strangers', 'zset')
      or oddKey('countersign:decisions-displaced', 'list') or oddRollups(count * 3 + 2)
    odd = odd or oddKey(writer, 'string')
    if odd then return odd end
    if (redis.call('GET', writer) or '0') ~= last then return 0 end
    redis.call('SET', writer, mark, 'EX', ${writerSeconds})
    local first = lastNumber()
    redis.call('SET', 'countersign:decisions-sequence', string.format('%.0f', first + count))
    for row = 1, count do
      local at = row * 3 - 1
      local sequence = string.format('%.0f', first + row)
      redis.call('XADD', 'countersign:decisions', sequence .. '-0', 'row', ARGV[at + 1])
      local member = string.rep('0', 16 - #sequence) .. sequence
      redis.call('ZADD', 'countersign:decisions-by-time', ARGV[at], member)
      if ARGV[at + 2] == '1' then redis.call('ZADD', 'countersign:decisions-strangers', sequence, member) end
    end
    addRollups(count * 3 + 2)
    removeStrangers(${decisionsMax} / 2, 2000)
    removeFirst(${decisionsMax}, 2000)
    return 1`,
  // sequence number of the last one had or '', since, until, how many at most: newest first
  decisionsByTime: `
    local start
    if ARGV[1] == '' then
      start = redis.call('ZCOUNT', 'countersign:decisions-by-time', '(' .. ARGV[3], '+inf')
    else
      local rank = redis.call('ZREVRANK', 'countersign:decisions-by-time', ARGV[1])
      if not rank then return {} end
      start = rank + 1
    end
    local last = start + tonumber(ARGV[4]) - 1
    local found = redis.call('ZREVRANGE', 'countersign:decisions-by-time', start, last, 'WITHSCORES')
    local rows = {}
    for at = 1, #found, 2 do
      if tonumber(found[at + 1]) < tonumber(ARGV[2]) then break end
      local id = string.gsub(found[at], '^0+', '') .. '-0'
      local entry = string.match(id, '^%d+-0$') and redis.call('XRANGE', 'countersign:decisions', id, id)[1]
      if entry then
        table.insert(rows, found[at])
        table.insert(rows, entry[2][2])
      end
    end
    return rows`,
  // first sequence number, how many at most
  decisionsFrom: `
    local rows = {}
    for _, entry in ipairs(redis.call('XRANGE', 'countersign:decisions', ARGV[1] .. '-0', '+', 'COUNT', ARGV[2])) do
      table.insert(rows, (string.gsub(entry[1], '%-0$', '')))
      table.insert(rows, entry[2][2])
    end
    return rows`,
  // before, how many at most
  decisionsPruneOld: `
    local found = redis.call('ZRANGEBYSCORE', 'countersign:decisions-by-time', '-inf', '(' .. ARGV[1], 'LIMIT', 0, ARGV[2])
    ${removing}
    for _, member in ipairs(found) do remove(member) end
    return #found`,
  // how many to keep, how many to remove at most
  decisionsPruneStrangers: `
    ${removing}
    return removeStrangers(tonumber(ARGV[1]), tonumber(ARGV[2]))`,
  // how many to keep, how many to remove at most
  decisionsPruneFirst: `
    ${removing}
    return removeFirst(tonumber(ARGV[1]), tonumber(ARGV[2]))`,
};
