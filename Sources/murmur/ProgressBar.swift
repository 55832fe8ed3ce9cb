import ClusterRuntime
import Glibc

/// The last line of a terminal, which says how far a long command has come. Where standard output is no terminal there is
/// none, and lines go out as they are.
final class ProgressBar: Sendable {
  private static let redrawInterval = Duration.milliseconds(100)
  private static let width = 24

  private struct State {
    /// What stands on the last line.
    var text = ""
    var drawnAt: ContinuousClock.Instant?
  }

  private let isShown: Bool
  private let begun = ContinuousClock.now
  private let state = Guarded(State())

  /// - Parameter isWanted: false for output that programs read.
  init(isWanted: Bool) { isShown = isWanted && isatty(STDOUT_FILENO) == 1 }

  /// Draws the bar, unless it was drawn a moment ago.
  ///
  /// - Parameter unit: what is counted, such as "rounds".
  func update(_ done: UInt64, of total: UInt64, _ unit: String, _ detail: String = "") {
    guard isShown else { return }
    let now = ContinuousClock.now
    state.with { state in
      if let drawnAt = state.drawnAt, now - drawnAt < Self.redrawInterval { return }
      state.drawnAt = now
      let text = Self.text(
        done, of: total, unit, detail, elapsed: now - begun, columns: Terminal.columns(STDOUT_FILENO))
      state.text = text
      Terminal.write("\r\u{1B}[K" + text, to: STDOUT_FILENO)
    }
  }

  /// Prints a line above the bar.
  func print(_ line: String) {
    guard isShown else { return Terminal.print(line) }
    state.with { Terminal.write("\r\u{1B}[K\(line)\n\($0.text)", to: STDOUT_FILENO) }
  }

  /// Removes the bar.
  func end() {
    guard isShown else { return }
    state.with { state in
      state.text = ""
      Terminal.write("\r\u{1B}[K", to: STDOUT_FILENO)
    }
  }

  /// `[#####-------------------] 4 of 20 rounds, 3.1 virtual s, about 12 s left`, cut to fit on one line.
  ///
  /// - Parameter elapsed: of the wall clock, as is the time left.
  static func text(
    _ done: UInt64, of total: UInt64, _ unit: String, _ detail: String, elapsed: Duration, columns: Int
  ) -> String {
    let share = total > 0 ? min(1, Double(done) / Double(total)) : 1
    let full = Int((share * Double(width)).rounded(.down))
    let bar = String(repeating: "#", count: full) + String(repeating: "-", count: width - full)
    var parts = ["[\(bar)] \(done) of \(total) \(unit)"]
    if !detail.isEmpty { parts.append(detail) }
    if done > 0, done < total {
      let left = (elapsed / .seconds(1)) * Double(total - done) / Double(done)
      parts.append("about \(Readable.time(left)) left")
    }
    return String(parts.joined(separator: ", ").prefix(max(10, columns - 1)))
  }
}
