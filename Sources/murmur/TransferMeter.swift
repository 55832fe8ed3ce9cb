import ClusterRuntime
import Glibc

/// How far a download is, how fast it comes and how long the rest may take, on one line of a terminal; nothing elsewhere.
///
/// On standard error: what goes to standard output is a result.
final class TransferMeter {
  private static let interval = Duration.milliseconds(100)
  /// Of the newest measurement in the rate that is shown.
  private static let weight = 0.2

  private let name: String
  private let isTerminal: Bool
  private var shown: (at: ContinuousClock.Instant, byteCount: UInt64)?
  private var bytesPerSecond: Double?

  /// - Parameter isWanted: false for output that programs read.
  init(_ name: String, isWanted: Bool = true) {
    self.name = name
    isTerminal = isWanted && isatty(STDERR_FILENO) == 1
  }

  /// Draws the line, unless it was drawn a moment ago.
  func show(_ byteCount: UInt64, of total: UInt64, _ detail: String = "") {
    guard isTerminal else { return }
    let now = ContinuousClock.now
    if let shown {
      guard now - shown.at >= Self.interval else { return }
      measure(byteCount, since: shown, now)
    }
    shown = (now, byteCount)
    let line = Self.text(
      name, byteCount, of: total, bytesPerSecond: bytesPerSecond, detail, columns: Terminal.columns(STDERR_FILENO))
    Terminal.write("\r\(line)\u{1B}[K", to: STDERR_FILENO)
  }

  private func measure(
    _ byteCount: UInt64, since last: (at: ContinuousClock.Instant, byteCount: UInt64), _ now: ContinuousClock.Instant
  ) {
    guard byteCount >= last.byteCount else { return bytesPerSecond = nil }  // Begun anew.
    let found = Double(byteCount - last.byteCount) / ((now - last.at) / .seconds(1))
    bytesPerSecond = bytesPerSecond.map { $0 + Self.weight * (found - $0) } ?? found
  }

  func end() {
    if shown != nil { Terminal.write("\r\u{1B}[K", to: STDERR_FILENO) }
    shown = nil
  }

  /// `digits@3  1.5 MiB of 16.0 MiB, 9 %, 3.2 MiB/s, about 5 s left`, cut to fit on one line.
  ///
  /// - Parameter bytesPerSecond: nil while it is not known.
  static func text(
    _ name: String, _ byteCount: UInt64, of total: UInt64, bytesPerSecond: Double?, _ detail: String, columns: Int
  ) -> String {
    var parts = ["\(name)  \(Readable.bytes(byteCount)) of \(Readable.bytes(total))"]
    if total > 0 { parts.append("\(Int(100 * Double(byteCount) / Double(total))) %") }
    if let bytesPerSecond, bytesPerSecond >= 1, bytesPerSecond < 1e15 {
      parts.append("\(Readable.bytes(UInt64(bytesPerSecond)))/s")
      if byteCount < total { parts.append("about \(Readable.time(Double(total - byteCount) / bytesPerSecond)) left") }
    }
    if !detail.isEmpty { parts.append(detail) }
    return String(parts.joined(separator: ", ").prefix(max(10, columns - 1)))
  }
}
