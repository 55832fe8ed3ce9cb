/// Where examples are, and how a file of them is to be understood (Protocols/data.md).
package struct ExampleFile: Hashable, Sendable {
  package var path: String
  /// Name of the label's column or array; nil for the last column, or the array `y` or `labels`.
  package var label: String?
  /// In place of a label, the columns of numbers to predict, or the array of them.
  package var targets: [String]
  /// Of an IDX or NPY file; nil for the one beside an IDX file.
  package var labelFile: String?
  /// Which examples belong together; of a text, `role`.
  package var column: String?
  /// Of a text: the characters of an example.
  package var sequenceLength: Int?
  /// Of a text: the vocabulary of the run; nil for that of the text.
  package var vocabularyFile: String?

  package init(
    path: String, label: String? = nil, targets: [String] = [], labelFile: String? = nil, column: String? = nil,
    sequenceLength: Int? = nil, vocabularyFile: String? = nil
  ) {
    self.path = path
    self.label = label
    self.targets = targets
    self.labelFile = labelFile
    self.column = column
    self.sequenceLength = sequenceLength
    self.vocabularyFile = vocabularyFile
  }
}

/// Which examples nobody trains on.
package enum HoldOut: Hashable, Sendable {
  /// So large a part of them, from 0 to below 1: at random; of a text the last passages, by role if it is dealt by role.
  case fraction(Double)
  /// So many at the end of the file; only the first `training` are trained on, or all others if nil.
  case last(Int, training: Int?)
}

/// How features are normalised before they are dealt.
package enum NormalisationPlan: Hashable, Sendable {
  /// By statistics of those that are dealt.
  case computed(NormalisationMethod, NormalisationScope)
  /// By statistics in this file.
  case file(String)
}

package enum NormalisationMethod: String, CaseIterable, Codable, Sendable {
  /// Mean 0, standard deviation 1.
  case standard
  /// From 0 to 1.
  case minMax = "min-max"
}

package enum NormalisationScope: String, CaseIterable, Codable, Sendable {
  /// Every feature by its own statistics.
  case feature
  /// All features by one statistic: what pixels of an image need.
  case global
}

/// One file of examples, split: a held-out part for the consumer, the rest dealt to workers.
package struct DataPlan: Hashable, Sendable {
  package var examples: ExampleFile
  /// Nil to take features as they are.
  package var normalisation: NormalisationPlan?
  package var heldOut: HoldOut
  /// How often each of the other examples is dealt: more than once for more workers than there are examples.
  package var copies: Int
  /// How the parts of the rest differ.
  package var partition: DataPartition
  /// Of the split and of the deal.
  package var seed: UInt64

  package init(
    examples: ExampleFile, normalisation: NormalisationPlan? = nil, heldOut: HoldOut = .fraction(0.2), copies: Int = 1,
    partition: DataPartition = .standard, seed: UInt64 = 1
  ) {
    self.examples = examples
    self.normalisation = normalisation
    self.heldOut = heldOut
    self.copies = copies
    self.partition = partition
    self.seed = seed
  }
}
