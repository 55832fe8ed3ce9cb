import Federation
import Glibc
import Logging
import ZeroMQ

/// A point of a driver at which its process ends itself by signal 9, so that a test can bring about every crash that
/// may happen between two effects.
///
/// The environment variable `MURMURATION_KILL_AT` names one point and, optionally, the how-manieth time that the
/// process comes to it (1 is the first):
///
///     worker:before-send:agree                the agreement is recorded and has not left
///     worker:after-record:released            the release is on disk, no share has left
///     coordinator:after-receive:bundle:2      the second bundle has arrived, nothing was made of it
///     serving:after-record:version            a version is in the node's folder, no alias names it yet
///
/// What a party sends comes to two moments, just before the socket takes it and `flushPause` after; what it receives to
/// one, before its machine hears of it; what it records to one, when it is durable. All this can do is end the process:
/// no check, no order and no message depends on it, and a process without the variable compares one flag.
enum KillPoint {
  static let variable = "MURMURATION_KILL_AT"

  enum Party: String, CaseIterable {
    case coordinator
    case worker
    case serving
  }

  enum Moment: String, CaseIterable {
    case beforeSend = "before-send"
    case afterSend = "after-send"
    case afterReceive = "after-receive"
    case afterRecord = "after-record"
  }

  /// zmq_msg_send(3) hands a message to the library's own thread: it gets so long to hand it to the kernel, so that what
  /// was sent before the end can arrive.
  private static let flushPause: UInt32 = 2_000  // Microseconds.

  /// How often a process may come to a point before it ends there.
  private static let occurrenceMax = 1_000_000

  /// What goes by at a moment of a party: the `kind` of its messages, and its durable records.
  static func subjects(_ party: Party, _ moment: Moment) -> [String] {
    switch (party, moment) {
    case (.coordinator, .beforeSend), (.coordinator, .afterSend), (.worker, .afterReceive):
      [
        "offer", "roster", "peerShares", "dealers", "survivors", "quorum", "result", "ended", "aborts", "blobChunk",
        "blobUnavailable", "uploadGrant", "uploadAnswer",
      ]
    case (.worker, .beforeSend), (.worker, .afterSend), (.coordinator, .afterReceive):
      [
        "accept", "decline", "progress", "advert", "bundle", "shareCheck", "agree", "unmask", "abort", "blobRequest",
        "uploadOpen", "uploadChunk", "uploadClose",
      ]
    case (.coordinator, .afterRecord): ["run", "attempt", "strategy", "version", "alias", "round"]
    case (.worker, .afterRecord):
      ["begun", "contributed", "excused", "survivors", "released", "promised", "charged"]
    case (.serving, .afterReceive): ["record", "snapshot", "chunk"]
    case (.serving, .afterRecord): ["blob", "version", "alias"]
    // What it sends are questions, which it asks again.
    case (.serving, .beforeSend), (.serving, .afterSend): []
    }
  }

  /// Every point, without a number.
  static var all: [String] {
    Party.allCases.flatMap { party in
      Moment.allCases.flatMap { moment in
        subjects(party, moment).map { "\(party.rawValue):\(moment.rawValue):\($0)" }
      }
    }
  }

  /// A point, and how often the process has yet to come to it.
  struct Armed: Equatable {
    let point: String
    var remaining: Int
  }

  /// Reads what the variable says.
  ///
  /// - Throws: `RuntimeError` in category `usage` that lists the points, if it names none of them.
  static func read(_ text: String) throws(RuntimeError) -> Armed {
    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    let point = parts.prefix(3).joined(separator: ":")
    let number = parts.count == 4 ? Int(parts[3]) : parts.count == 3 ? 1 : nil
    guard all.contains(point), let number, (1...occurrenceMax).contains(number) else {
      throw RuntimeError(
        .usage,
        "\(variable): found \"\(text)\", expected one of these, with or without ':N' behind it for the N-th time:\n  "
          + all.joined(separator: "\n  "))
    }
    return Armed(point: point, remaining: number)
  }

  private static let given = getenv(variable).map { String(cString: $0) }
  private static let armed = Locked<Armed?>(given.flatMap { try? read($0) })
  private static let isArmed = given != nil

  /// Called when a process starts.
  ///
  /// - Throws: as `read`.
  static func check(logger: Logger) throws(RuntimeError) {
    guard let given else { return }
    let armed = try read(given)
    logger.warning("this process will end itself", metadata: ["at": "\(armed.point)", "times": "\(armed.remaining)"])
  }

  /// The process is at a point; it does not return from the one that was named.
  static func reached(_ party: Party, _ moment: Moment, _ subject: @autoclosure () -> String) {
    guard isArmed else { return }
    let point = "\(party.rawValue):\(moment.rawValue):\(subject())"
    let isDue = armed.withLock { armed -> Bool in
      guard armed?.point == point else { return false }
      armed?.remaining -= 1
      return armed?.remaining == 0
    }
    guard isDue else { return }
    if moment == .afterSend { usleep(flushPause) }
    kill(getpid(), SIGKILL)
    while true { pause() }
  }
}
