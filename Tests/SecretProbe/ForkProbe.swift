import Cryptography

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// What a forked child has of its parent's secrets, and what it can draw. Prints one line for each question.
enum ForkProbe {
  static func run() {
    let source = SystemSecretSource()
    let secret = source.secret(32)
    report("inherits") { secret.withUnsafeBytes { $0.contains { $0 != 0 } } ? 1 : 0 }
    report("draws") {
      withUnsafeTemporaryAllocation(byteCount: 32, alignment: 16) { source.fill($0) }
      return 0
    }
    report("allocates") { Int32(SecretBytes(copying: [1]).count) }
    print("parent draws \(source.secret(32).isEqual(to: secret) ? "the same" : "on")")
  }

  /// Forks, and says how the child ended that ran `body`.
  private static func report(_ question: String, _ body: () -> Int32) {
    fflush(nil)
    let child = fork()
    if child == 0 { _exit(body()) }
    var status: Int32 = 0
    guard child > 0, waitpid(child, &status, 0) == child else {
      print("\(question): cannot fork, errno \(errno)")
      return
    }
    let signal = status & 0x7F
    print(signal == 0 ? "\(question): exit \(status >> 8 & 0xFF)" : "\(question): signal \(signal)")
  }

  /// fork(2), which Swift hides because little may be done in the child.
  private static func fork() -> pid_t {
    typealias Fork = @convention(c) () -> pid_t
    guard let symbol = dlsym(nil, "fork") else { return -1 }
    return unsafeBitCast(symbol, to: Fork.self)()
  }
}
