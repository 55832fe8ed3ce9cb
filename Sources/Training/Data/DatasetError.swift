/// Why examples could not be read, written or divided.
package enum DatasetError: Error, Equatable, Sendable, CustomStringConvertible {
  case unreadable(file: String, reason: String)
  case unwritable(file: String, reason: String)
  case fileTooLarge(file: String, max: Int)
  case badHeader(file: String, found: String, expected: String)
  /// The first rows that are wrong, at most `CSVDataset.problemsMax`, and how many cells are wrong in all.
  case badRows(file: String, problems: [RowProblem], total: Int)
  /// Something else than rows that is wrong with a file: `file` may go on with the place in it.
  case badFile(file: String, found: String, expected: String)
  case noRows(file: String)
  case tooManyRows(file: String, max: Int)
  /// Features and labels that do not belong together.
  case inconsistent(reason: String)
  case badFraction(Double)
  case tooFewRows(found: Int, needed: Int)
  /// A column with fewer groups than there are parts to deal them to.
  case tooFewGroups(column: String, found: Int, needed: Int)
  /// Examples that are to be dealt by a column and were read without one.
  case noGroups(column: String)
  /// Examples without one class each, which are to be dealt by class.
  case noClasses
  /// Groups are dealt whole, and this part has got too few examples.
  case smallPart(part: Int, found: Int, needed: Int)

  /// One wrong cell of a file.
  package struct RowProblem: Hashable, Sendable {
    /// From 1; the header is line 1.
    package var line: Int
    /// The column's name; nil if the row as a whole is wrong.
    package var column: String?
    package var found: String
    package var expected: String

    package init(line: Int, column: String?, found: String, expected: String) {
      self.line = line
      self.column = column
      self.found = found
      self.expected = expected
    }
  }

  package var description: String {
    switch self {
    case .unreadable(let file, let reason): return "\(file): cannot be read: \(reason)"
    case .unwritable(let file, let reason): return "\(file): cannot be written: \(reason)"
    case .fileTooLarge(let file, let max): return "\(file): larger than \(max) bytes"
    case .badHeader(let file, let found, let expected):
      return "\(file):1: found \(found), expected \(expected)"
    case .badRows(let file, let problems, let total):
      let lines = problems.map { problem in
        "\(file):\(problem.line): \(problem.column.map { "column \($0): " } ?? "")found \(problem.found), "
          + "expected \(problem.expected)"
      }
      let rest = total > problems.count ? ["… and \(total - problems.count) more"] : []
      return (lines + rest).joined(separator: "\n")
    case .badFile(let file, let found, let expected): return "\(file): found \(found), expected \(expected)"
    case .noRows(let file): return "\(file): a header and no examples"
    case .tooManyRows(let file, let max): return "\(file): more than \(max) examples"
    case .inconsistent(let reason): return reason
    case .badFraction(let value): return "a hold-out fraction of \(value), expected one from 0 to below 1"
    case .tooFewRows(let found, let needed): return "\(found) examples, expected at least \(needed)"
    case .tooFewGroups(let column, let found, let needed):
      return "\(found) groups in column \(column), expected at least \(needed), one a part"
    case .noGroups(let column): return "no groups, expected a column \(column) of names"
    case .noClasses:
      return "examples without one class each, expected a partition at random, by quantity or by column"
    case .smallPart(let part, let found, let needed):
      return "part \(part) gets \(found) examples of whole groups, expected at least \(needed)"
    }
  }
}

extension DatasetError {
  /// The same, said of a file where it does not name one yet.
  func located(in file: String) -> DatasetError {
    switch self {
    case .unreadable, .unwritable, .fileTooLarge, .badHeader, .badRows, .badFile, .noRows, .tooManyRows: return self
    case .inconsistent, .badFraction, .tooFewRows, .tooFewGroups, .noGroups, .noClasses, .smallPart: break
    }
    // Each of these says what was found, a comma, and what was expected.
    let parts = description.split(separator: ", expected ", maxSplits: 1)
    return .badFile(file: file, found: String(parts[0]), expected: parts.count > 1 ? String(parts[1]) : "other data")
  }
}
