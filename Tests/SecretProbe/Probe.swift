import Cryptography

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// A process that another one looks into: it does what its argument says, says where it stands in a line on standard
/// output, and waits for a line of standard input before it goes on.
@main
package enum Probe {
  /// 32 bytes that prove the search awake: `array` lies on the ordinary heap, `secret` on the heap of secrets.
  package static func control(_ name: String) -> SecretBytes {
    SeededSecretSource(seed: Array("control \(name)".utf8)).secret(32)
  }

  static func main() throws {
    switch CommandLine.arguments.dropFirst().first {
    case "round": try round()
    case "fork": ForkProbe.run()
    case "heap": HeapProbe.run()
    case "constant-time": try ConstantTimeProbe.run(CommandLine.arguments.dropFirst(2).first)
    case let other:
      print("usage: SecretProbe round | fork | heap | constant-time QUESTION (found \(other ?? "nothing"))")
      exit(2)
    }
  }

  /// The planted round, beside two values that can be found.
  private static func round() throws {
    let secret = control("secret")
    let array = control("array").withUnsafeBytes { Array($0) }
    try PlantedRound.run { say($0.rawValue) }
    withExtendedLifetime((secret, array)) {}
  }

  static func say(_ line: String) {
    print(line)
    fflush(nil)
    _ = readLine()
  }
}
