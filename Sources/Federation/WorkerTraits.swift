/// What a worker's owner says of it, and a run may ask for: `site: north`, `gpu: "yes"`. Says nothing of the data.
package struct WorkerLabels: Hashable, Sendable {
  /// Most labels of one worker.
  package static let countMax = 16
  /// Longest key and longest value, in UTF-8 bytes.
  package static let bytesMax = 64

  /// Ascending by key.
  package let pairs: [Pair]

  package struct Pair: Hashable, Sendable {
    package let key: String
    package let value: String

    package init(_ key: String, _ value: String) {
      self.key = key
      self.value = value
    }
  }

  package init() { pairs = [] }

  /// Nil for more than `countMax`, for one that is empty, too long or of control characters, or for a key twice.
  package init?(_ pairs: [Pair]) {
    guard pairs.count <= Self.countMax, Set(pairs.map(\.key)).count == pairs.count,
      pairs.allSatisfy({ Self.isValid($0.key) && Self.isValid($0.value) })
    else { return nil }
    self.pairs = pairs.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
  }

  /// Whether a text may stand on either side: 1 to `bytesMax` bytes without control characters.
  package static func isValid(_ text: String) -> Bool {
    (1...bytesMax).contains(text.utf8.count)
      && text.unicodeScalars.allSatisfy { $0.value >= 0x20 && !(0x7F...0x9F).contains($0.value) }
  }

  /// Whether each of `others` is among these.
  package func contains(_ others: WorkerLabels) -> Bool { Set(pairs).isSuperset(of: others.pairs) }

  package var isEmpty: Bool { pairs.isEmpty }
}

extension WorkerLabels: CustomStringConvertible {
  /// `gpu=yes, site=north`.
  package var description: String { pairs.map { "\($0.key)=\($0.value)" }.joined(separator: ", ") }
}

/// By what runs choose among workers, as a worker says in its hello.
package struct WorkerTraits: Hashable, Sendable {
  package let labels: WorkerLabels
  /// For training.
  package let threads: UInt32

  package init(labels: WorkerLabels = WorkerLabels(), threads: UInt32) {
    self.labels = labels
    self.threads = threads
  }
}
