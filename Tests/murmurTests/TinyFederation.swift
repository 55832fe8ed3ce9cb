import Foundation
import Testing

/// A federation file for `murmur up` with the digits as data.
struct TinyFederation {
  var workers = 5
  var minimum = 4
  var rounds = 2
  var dataFile = Program.digits
  /// Before the layers of the run's model.
  var features = 64

  func write(to workspace: Workspace) throws -> String {
    try workspace.file(
      "federation.yaml",
      """
      name: tiny
      workers: \(workers)
      data:
        file: \(dataFile)
        label: digit
        held-out: 0.2
        seed: 1
      run:
        name: digits
        model: {name: digits, architecture: mlp \(features)-32-10}
        data: {features: \(features), classes: 10, scale: 16}
        rounds: \(rounds)
        training: {learning-rate: 0.1, batch-size: 16}
        clip: 4
        cohort: {minimum: \(minimum)}
        deadlines: {advert: 5s, share: 5s, input: 20s, agree: 5s, unmask: 5s}

      """)
  }
}

extension Workspace {
  /// Makes a federation of three workers by `murmur init` and returns its folder.
  func makeFederation(_ options: String...) async throws -> String {
    let home = path + "/federation"
    let result = try await Program.run(["init", home, "--workers", "3", "--label", "digit"] + options)
    try #require(result.code == 0, "\(result)")
    return home
  }
}

/// A TCP port of 127.0.0.1 that is taken.
final class ListeningPort {
  let number: UInt16
  private let descriptor: Int32

  init() throws {
    descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    let descriptor = descriptor
    let isBound = withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(descriptor, $0, size) == 0 && listen(descriptor, 1) == 0 && getsockname(descriptor, $0, &size) == 0
      }
    }
    number = UInt16(bigEndian: address.sin_port)
    try #require(isBound)
  }

  deinit { close(descriptor) }
}
