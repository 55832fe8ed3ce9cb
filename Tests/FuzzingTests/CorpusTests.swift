import Foundation
import Fuzzing
import Testing

/// The inputs that are kept, each a claim that once failed or a path that is hard to find.
enum Corpus {
  static let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../Fuzzing/Corpus")
    .standardized

  struct Input: Sendable, CustomTestStringConvertible {
    let target: FuzzTarget
    let name: String
    let bytes: [UInt8]
    var testDescription: String { "\(target.rawValue)/\(name)" }
  }

  static func inputs(of target: FuzzTarget) throws -> [Input] {
    let folder = folder.appending(path: target.rawValue)
    return try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted().map { name in
      Input(target: target, name: name, bytes: Array(try Data(contentsOf: folder.appending(path: name))))
    }
  }
}

@Suite("Kept inputs of the fuzzer")
struct CorpusTests {
  @Test("Every kept input is answered, and every claim on it holds", arguments: FuzzTarget.real)
  func replays(_ target: FuzzTarget) throws {
    let inputs = try Corpus.inputs(of: target)
    #expect(inputs.count > 5)
    for input in inputs { #expect(target.check(input.bytes) == nil, "\(input)") }
  }

  @Test("Without decisions of the fuzzer, an attempt and a run are honest and succeed", arguments: FuzzTarget.real)
  func emptyInput(_ target: FuzzTarget) { #expect(target.check([]) == nil) }

  @Test("Every input that the fuzzer starts from is answered", arguments: FuzzTarget.real)
  func seeds(_ target: FuzzTarget) {
    let seeds = FuzzSeeds.all(of: target)
    #expect(seeds.count > 4)
    for seed in seeds { #expect(target.check(seed) == nil, "\(seed)") }
  }

  @Test("The planted bug is found, and only with all of its three bytes")
  func planted() {
    #expect(FuzzTarget.planted.check(Array("Murmur".utf8)) != nil)
    #expect(FuzzTarget.planted.check(Array("Mu".utf8)) == nil)
  }

  @Test("The corpus stays below a mebibyte")
  func size() throws {
    let bytes = try FuzzTarget.real.reduce(0) { try $0 + Corpus.inputs(of: $1).reduce(0) { $0 + $1.bytes.count } }
    #expect(bytes < 1 << 20)
  }
}
