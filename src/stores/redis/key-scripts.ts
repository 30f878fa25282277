import { recordFields } from './record-fields.ts';

const fields = recordFields.map((field) => `'${field}'`).join(', ');

/** Whoever holds a key's fields reads its end so: set later, or in the record; nil for none. */
const endOf = `
  local function endOf(record, set)
    if set then return tonumber(set) end
    local ends = cjson.decode(record).expiresAt
    if ends == cjson.null then return nil end
    return ends
  end`;

/** `telling` tells of what was written. */
export const keyScripts = (telling: string) => ({
  // mark, id, digest, createdAt, record, revokedAt or '', 'pending' or '', id of the key that is replaced or ''
  keyInsert: `${telling}
    local key = 'countersign:key:' .. ARGV[2]
    local odd = oddKey('countersign:key-digests', 'hash') or oddKey('countersign:key-successors', 'hash')
      or oddKey('countersign:keys', 'zset')
    if odd then return odd end
    if redis.call('EXISTS', key) == 1 or redis.call('HEXISTS', 'countersign:key-digests', ARGV[3]) == 1 then return told end
    if ARGV[7] ~= '' and ARGV[8] ~= '' then
      local other = redis.call('HGET', 'countersign:key-successors', ARGV[8])
      if other then
        local held = redis.call('HMGET', 'countersign:key:' .. other, 'revokedAt', 'settled')
        if not held[1] and not held[2] then return told end
      end
      redis.call('HSET', 'countersign:key-successors', ARGV[8], ARGV[2])
    end
    if ARGV[7] ~= '' then redis.call('HSET', key, 'replaces', ARGV[8]) end
    redis.call('HSET', key, 'record', ARGV[5], 'digest', ARGV[3])
    if ARGV[6] ~= '' then redis.call('HSET', key, 'revokedAt', ARGV[6]) end
    redis.call('HSET', 'countersign:key-digests', ARGV[3], ARGV[2])
    redis.call('ZADD', 'countersign:keys', ARGV[4], ARGV[2])
    tell('keys', ARGV[2])
    return told`,
  // mark, id, at
  keyRevoke: `${telling}
    local key = 'countersign:key:' .. ARGV[2]
    local odd = oddKey('countersign:revocations', 'zset')
    if odd then return odd end
    if redis.call('EXISTS', key) == 0 or redis.call('HSETNX', key, 'revokedAt', ARGV[3]) == 0 then return told end
    tell('keys', ARGV[2])
    local digest = redis.call('HGET', key, 'digest')
    if digest and redis.call('ZADD', 'countersign:revocations', 'NX', ARGV[3], digest) == 1 then tell('revocations', digest) end
    return told`,
  // mark, id, end of the key that is replaced or ''
  keyPromote: `${telling}${endOf}
    local key = 'countersign:key:' .. ARGV[2]
    local held = redis.call('HMGET', key, 'replaces', 'revokedAt', 'settled')
    if not held[1] or held[2] or held[3] then return told end
    redis.call('HSET', key, 'settled', '1')
    tell('keys', ARGV[2])
    local previous = 'countersign:key:' .. held[1]
    local old = redis.call('HMGET', previous, ${fields})
    if ARGV[3] == '' or not old[1] or old[2] then return told end
    local ends = endOf(old[1], old[3])
    if ends and ends <= tonumber(ARGV[3]) then return told end
    redis.call('HSET', previous, 'expiresAt', ARGV[3])
    tell('keys', held[1])
    return told`,
  // mark, id, end or '', 'sooner' or ''
  keyEnd: `${telling}${endOf}
    local key = 'countersign:key:' .. ARGV[2]
    local held = redis.call('HMGET', key, ${fields})
    if not held[1] or held[2] then return told end
    local was, wanted = endOf(held[1], held[3]), tonumber(ARGV[3])
    if was == wanted or (ARGV[4] == 'sooner' and (not wanted or (was and was < wanted))) then return told end
    redis.call('HSET', key, 'expiresAt', ARGV[3])
    tell('keys', ARGV[2])
    return told`,
  // mark, digest, at
  digestRevoke: `${telling}
    if redis.call('ZADD', 'countersign:revocations', 'NX', ARGV[3], ARGV[2]) == 1 then tell('revocations', ARGV[2]) end
    return told`,
  // digest: id, fields
  keyByDigest: `
    local id = redis.call('HGET', 'countersign:key-digests', ARGV[1])
    if not id then return {} end
    local held = redis.call('HMGET', 'countersign:key:' .. id, ${fields})
    table.insert(held, 1, id)
    return held`,
});
