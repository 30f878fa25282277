/**
 * How counts and bounds are kept in a hash that anybody with our rights may have written to: what is no number there is replaced by
 * ours, since a script that fails has done half its work, and is run again.
 */
export const keeping = `
  local function later(a, b) return tonumber(a) > tonumber(b) end
  local function sooner(a, b) return later(b, a) end
  local function notSooner(a, b) return not later(b, a) end
  local function isNumber(text)
    local number = tonumber(text or '')
    return number and number == number and math.abs(number) < math.huge
  end
  local function keepIf(held, field, value, better)
    local before = redis.call('HGET', held, field)
    if isNumber(before) and not better(value, before) then return false end
    redis.call('HSET', held, field, value)
    return true
  end
  local function countUp(held, field, by)
    if type(redis.pcall('HINCRBY', held, field, by)) == 'table' then redis.call('HSET', held, field, by) end
  end`;

/** To be asked before anything is written. Nothing of another program's is removed: it may be a newer version of ours. */
export const oddKeys = `
  local asked = {}
  local function oddKey(key, wanted)
    if asked[key] then return nil end
    asked[key] = true
    local held = redis.call('TYPE', key).ok
    if held == 'none' or held == wanted then return nil end
    return { err = 'ODDKEY ' .. key .. ' ' .. held }
  end`;
