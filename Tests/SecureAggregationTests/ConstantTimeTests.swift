import Foundation
import SecretProbe
import Testing

/// Whether jumps or addresses depend on secrets, by valgrind's memcheck over secrets that count as unknown.
///
/// Instead of measuring times (dudect): it sees every branch of the compiled code that the run passes, gives the same
/// answer on a busy machine, and names the place. It does not see instructions whose own time depends on their
/// operands, such as division, which none of these uses.
@Suite("Constant time", .serialized, .enabled(if: Memcheck.isPresent, Memcheck.absence))
struct ConstantTimeTests {
  @Test("No jump and no address depends on a secret")
  func isConstant() throws {
    let ending = try Memcheck.run("constant")
    #expect(ending.code == 0 && ending.lines == ["done"], "\(ending.complaints)")
  }

  @Test("What comes of a secret counts as secret: one jump by each result is noticed")
  func isTraced() throws {
    let ending = try Memcheck.run("looked-at")
    #expect(ending.complaints.contains("ERROR SUMMARY: \(ConstantTimeProbe.count) errors"), "\(ending.complaints)")
  }

  @Test("A comparison that ends at the first difference is noticed")
  func noticesEarlyExit() throws {
    let ending = try Memcheck.run(ConstantTimeProbe.earlyExit)
    #expect(ending.code == Memcheck.complained)
    #expect(ending.complaints.contains("depends on uninitialised value"))
  }

  @Test("Combining shares jumps by their secret in one place: whether there is one")
  func combination() throws {
    let ending = try Memcheck.run(ConstantTimeProbe.combination)
    #expect(ending.complaints.contains("ERROR SUMMARY: 1 errors from 1 contexts"), "\(ending.complaints)")
  }
}

private enum Memcheck {
  static let complained: Int32 = 99
  static let absence: Comment = "skipped: no valgrind and strip in /usr/bin; '.ci/bootstrap checks' installs them"
  private static let valgrind = "/usr/bin/valgrind"
  private static let strip = "/usr/bin/strip"

  static var isPresent: Bool { [valgrind, strip].allSatisfy { FileManager.default.isExecutableFile(atPath: $0) } }

  /// The probe without debugging information, of which valgrind 3.19 cannot read Swift's.
  private static let program = Result {
    let stripped = ProbeProcess.program.path + ".stripped"
    let ending = try ProbeProcess(command: [strip, "--strip-debug", "-o", stripped, ProbeProcess.program.path]).end()
    try #require(ending.code == 0, "\(ending)")
    return stripped
  }

  static func run(_ question: String) throws -> (lines: [String], complaints: String, code: Int32) {
    let options = ["--error-exitcode=\(complained)", "--track-origins=no"]
    return try ProbeProcess(command: [valgrind] + options + [try program.get(), "constant-time", question]).end()
  }
}
