import Federation

internal import CFederationMessages

extension WorkerLabels {
  init(
    wire labels: UnsafeMutablePointer<UnsafeMutablePointer<Murmur__Label>?>?, count: Int, _ field: String
  ) throws(WireError) {
    let pairs = try Field.list(labels, count: count, field, max: Self.countMax) {
      (label: Murmur__Label) throws(WireError) in
      Pair(
        try Field.text(label.key, "\(field).key", min: 1, max: Self.bytesMax),
        try Field.text(label.value, "\(field).value", min: 1, max: Self.bytesMax))
    }
    guard let labels = WorkerLabels(pairs) else {
      throw .badField(field, found: "a key twice or a control character", expected: "different keys, plain text")
    }
    self = labels
  }

  func draft(in arena: MessageArena) -> UnsafeMutablePointer<UnsafeMutablePointer<Murmur__Label>?>? {
    arena.list(pairs) { pair in
      arena.make(murmur__label__init) {
        $0.key = arena.text(pair.key)
        $0.value = arena.text(pair.value)
      }
    }
  }
}
