/** Knows its place in the list, so that it can leave without a search. */
export interface Listed {
  place: number;
}

/**
 * What is under way, in no order. No Set: one whose entries come and go is copied into a new table now and then, the old tables
 * point to the new ones, and through those that have grown old the collector takes thousands of finished requests for live.
 */
export class OpenList<Item extends Listed> {
  readonly #items: Item[] = [];

  add(item: Item): void {
    item.place = this.#items.push(item) - 1;
  }

  /** Nothing happens when the item is not in the list. */
  delete(item: Item): void {
    if (this.#items[item.place] !== item) return;
    const last = this.#items.pop() as Item;
    if (last === item) return;
    this.#items[item.place] = last;
    last.place = item.place;
  }

  /** Those that are listed now: the list may change while they are gone through. */
  all(): Item[] {
    return [...this.#items];
  }
}
