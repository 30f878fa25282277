/** Lists by name whose members stand in order of rank. Adding and taking out touch one list, which is put in order when it is next asked for. */
export interface OrderedLists<Member> {
  /** Never changed once handed out: a caller may hold it across a change. */
  get(name: string): readonly Member[];
  add(name: string, member: Member, rank: Rank): void;
  remove(name: string, member: Member): void;
}

/** Stored keys come before found ones; the newest stored and the first found come first. */
export interface Rank {
  readonly found: boolean;
  /** Ascending. */
  readonly order: number;
  /** Decides between equals, so that the order never depends on what was heard of first. */
  readonly id: string;
}

export function byRank(a: Rank, b: Rank): number {
  return Number(a.found) - Number(b.found) || a.order - b.order || (a.id < b.id ? -1 : Number(a.id > b.id));
}

/** Nearly all lists have one member, and there is one for each key: so an array, which is small, rather than a Map. */
interface List<Member> {
  readonly ranked: { readonly member: Member; readonly rank: Rank }[];
  ordered: readonly Member[] | null;
}

export function orderedLists<Member>(): OrderedLists<Member> {
  const lists = new Map<string, List<Member>>();
  const none: readonly Member[] = Object.freeze([]);
  return {
    get(name) {
      const list = lists.get(name);
      if (!list) return none;
      list.ordered ??= list.ranked.toSorted((a, b) => byRank(a.rank, b.rank)).map(({ member }) => member);
      return list.ordered;
    },
    add(name, member, rank) {
      const list = lists.get(name);
      if (list) {
        list.ranked.push({ member, rank });
        list.ordered = null;
      } else lists.set(name, { ranked: [{ member, rank }], ordered: null });
    },
    remove(name, member) {
      const list = lists.get(name);
      const index = list?.ranked.findIndex((one) => one.member === member) ?? -1;
      if (!list || index < 0) return;
      const last = list.ranked.pop();
      if (last && index < list.ranked.length) list.ranked[index] = last;
      list.ordered = null;
      if (list.ranked.length === 0) lists.delete(name);
    },
  };
}
