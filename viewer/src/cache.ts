/** Keeps what was used last, up to a number of entries. Values may be promises: work in progress is shared. */
export class Cache<Value> {
  private readonly entries = new Map<number | string, Value>();

  constructor(private readonly most: number) {}

  get(key: number | string, make: () => Value): Value {
    let value = this.entries.get(key);
    if (value === undefined) {
      value = make();
      if (this.entries.size >= this.most) this.entries.delete(this.entries.keys().next().value!);
    } else {
      this.entries.delete(key);
    }
    this.entries.set(key, value);
    return value;
  }

  delete(key: number | string): void {
    this.entries.delete(key);
  }
}
