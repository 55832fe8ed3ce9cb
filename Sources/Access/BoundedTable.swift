/// A dictionary with a bound on its entries: where a new key finds no room, the entry of the least value leaves.
struct BoundedTable<Key: Hashable, Value: Comparable> {
  let countMax: Int
  private var entries: [Key: Value] = [:]

  init(countMax: Int) {
    precondition(countMax > 0)
    self.countMax = countMax
  }

  var count: Int { entries.count }

  subscript(key: Key) -> Value? { entries[key] }

  /// Takes time in proportion to the bound if the key is new and there is no room, else constant time.
  mutating func set(_ value: Value, for key: Key) {
    if entries.count >= countMax, entries[key] == nil, let least = entries.min(by: { $0.value < $1.value }) {
      entries[least.key] = nil
    }
    entries[key] = value
  }

  mutating func remove(_ key: Key) { entries[key] = nil }

  mutating func removeAll() { entries.removeAll() }
}
