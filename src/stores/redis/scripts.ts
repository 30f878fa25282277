import { decisionScripts } from './decision-scripts.ts';
import { oddKeys } from './keeping-scripts.ts';
import { eventScripts } from './event-scripts.ts';
import { keyScripts } from './key-scripts.ts';
import { recordFields } from './record-fields.ts';
import { recordScripts } from './record-scripts.ts';
import { rollupScripts } from './rollup-scripts.ts';
import { usageScripts } from './usage-scripts.ts';

/**
 * What must happen in one step happens in one script. Names of keys are built inside, from ids: so it is one server and its
 * replicas, not a cluster. Numbers travel as text, since Lua's would lose their fractions on the way out.
 */
export interface Scripts {
  readonly channel: string;
  readonly sources: Readonly<Record<ScriptName, string>>;
}

export type ScriptName = keyof ReturnType<typeof sourcesFor>;

/** Pub/sub knows nothing of Redis' numbered databases, so the channel says which one it tells of. */
export function scriptsFor(database: number): Scripts {
  const channel = `countersign:changes:${database}`;
  return { channel, sources: sourcesFor(channel) };
}

function sourcesFor(channel: string) {
  // The number lets a listener see that it missed one. Every result is what was told. What is written is told behind it, so a counter
  // that somebody made none begins anew: whoever listens reads everything then. The same where a user may not publish: what is written
  // stays written, so it is not reported as failed, and the others miss its number.
  const telling = `
    ${oddKeys}
    local told = {}
    local function tell(topic, id)
      local number = redis.pcall('INCR', 'countersign:changes')
      if type(number) == 'table' or number < 1 or number > 2^53 - 2 then
        number = 1
        redis.call('SET', 'countersign:changes', number)
      end
      redis.pcall('PUBLISH', '${channel}', number .. ' ' .. ARGV[1] .. ' ' .. topic .. ' ' .. id)
      table.insert(told, topic .. ' ' .. id)
    end`;
  return {
    ...keyScripts(telling),
    ...usageScripts,
    ...decisionScripts,
    ...rollupScripts,
    ...eventScripts,
    ...recordScripts(telling),
    // start, end
    keysPage: pageOf('countersign:keys', 'countersign:key:'),
    // mark, id, hash, createdAt negated, expiresAt, record, revokedAt or '', milliseconds to live
    tokenInsert: `${telling}
      local key = 'countersign:token:' .. ARGV[2]
      local index = 'countersign:token-hash:' .. ARGV[3]
      local odd = oddKey('countersign:tokens', 'zset') or oddKey('countersign:tokens-expiry', 'zset')
      if odd then return odd end
      if redis.call('EXISTS', key) == 1 or redis.call('EXISTS', index) == 1 then return told end
      redis.call('HSET', key, 'record', ARGV[6], 'hash', ARGV[3])
      if ARGV[7] ~= '' then redis.call('HSET', key, 'revokedAt', ARGV[7]) end
      redis.call('PEXPIRE', key, ARGV[8])
      redis.call('SET', index, ARGV[2], 'PX', ARGV[8])
      redis.call('ZADD', 'countersign:tokens', ARGV[4], ARGV[2])
      redis.call('ZADD', 'countersign:tokens-expiry', ARGV[5], ARGV[2])
      tell('tokens', ARGV[2])
      return told`,
    // mark, id, at
    tokenRevoke: `${telling}
      local key = 'countersign:token:' .. ARGV[2]
      if redis.call('EXISTS', key) == 1 and redis.call('HSETNX', key, 'revokedAt', ARGV[3]) == 1 then
        tell('tokens', ARGV[2])
      end
      return told`,
    // hash: id, fields
    tokenByHash: `
      local id = redis.call('GET', 'countersign:token-hash:' .. ARGV[1])
      if not id then return {} end
      local held = redis.call('HMGET', 'countersign:token:' .. id, 'record', 'revokedAt')
      return { id, held[1], held[2] }`,
    // start, end
    tokensPage: pageOf('countersign:tokens', 'countersign:token:'),
    // before, how many at most
    tokensDelete: `
      local ids = redis.call('ZRANGEBYSCORE', 'countersign:tokens-expiry', '-inf', '(' .. ARGV[1], 'LIMIT', 0, ARGV[2])
      for _, id in ipairs(ids) do
        local hash = redis.call('HGET', 'countersign:token:' .. id, 'hash')
        if hash then redis.call('DEL', 'countersign:token-hash:' .. hash) end
        redis.call('DEL', 'countersign:token:' .. id)
        redis.call('ZREM', 'countersign:tokens', id)
        redis.call('ZREM', 'countersign:tokens-expiry', id)
      end
      return #ids`,
    // mark, scope, row, 'all' or 'one'
    modeSet: `${telling}
      if ARGV[4] == 'all' then redis.call('DEL', 'countersign:modes') end
      redis.call('HSET', 'countersign:modes', ARGV[2], ARGV[3])
      tell('modes', ARGV[2])
      return told`,
    // mark, scope, 'all' or 'one', mode or ''
    modeClear: `${telling}
      local rows = redis.call('HGETALL', 'countersign:modes')
      for at = 1, #rows, 2 do
        local meant = ARGV[3] == 'all' or rows[at] == ARGV[2]
        local read, row = pcall(cjson.decode, rows[at + 1])
        if meant and (ARGV[4] == '' or read and type(row) == 'table' and row.mode == ARGV[4]) then
          redis.call('HDEL', 'countersign:modes', rows[at])
        end
      end
      tell('modes', ARGV[3] == 'all' and '*' or ARGV[2])
      return told`,
    // key, limit, now, end of a window that would begin now, milliseconds to live
    limitTake: `
      local key = 'countersign:limit:' .. ARGV[1]
      local held = redis.call('HMGET', key, 'count', 'endsAt')
      if held[2] and tonumber(held[2]) > tonumber(ARGV[3]) then
        if tonumber(held[1]) >= tonumber(ARGV[2]) then return { 0, held[1], held[2] } end
        return { 1, redis.call('HINCRBY', key, 'count', 1), held[2] }
      end
      redis.call('HSET', key, 'count', 1, 'endsAt', ARGV[4])
      redis.call('PEXPIRE', key, ARGV[5])
      return { 1, 1, ARGV[4] }`,
    // key, expiresAt, now, milliseconds to live
    once: `
      local key = 'countersign:once:' .. ARGV[1]
      local held = redis.call('GET', key)
      if held and tonumber(held) > tonumber(ARGV[3]) then return 0 end
      redis.call('SET', key, ARGV[2], 'PX', ARGV[4])
      return 1`,
  };
}

/** Records by their place in an index, each as its id and its fields; those that have expired are left out but counted first. */
function pageOf(index: string, prefix: string): string {
  return `
    local ids = redis.call('ZRANGE', '${index}', ARGV[1], ARGV[2])
    local rows = { #ids }
    for _, id in ipairs(ids) do
      local held = redis.call('HMGET', '${prefix}' .. id, ${recordFields.map((field) => `'${field}'`).join(', ')})
      if held[1] then
        table.insert(rows, id)
        for at = 1, ${recordFields.length} do table.insert(rows, held[at]) end
      end
    end
    return rows`;
}
