const rememberedMax = 1024;
const lengthMax = 64;

/**
 * What a header name means, however it is spelled. Usual spellings are remembered, so that most cost one look-up; bounded, since
 * whoever sends them chooses the spelling, and made-up names must not keep the usual ones out for good.
 */
export function bySpelling<T>(meaningOf: (name: string) => T): (name: string) => T {
  const remembered = new Map<string, T>();
  return (name) => {
    const known = remembered.get(name);
    if (known !== undefined) return known;
    const meaning = meaningOf(name);
    if (remembered.size >= rememberedMax) remembered.clear();
    if (name.length <= lengthMax) remembered.set(name, meaning);
    return meaning;
  };
}
