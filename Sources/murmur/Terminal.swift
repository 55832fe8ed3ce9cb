import Glibc

/// Lines on standard output and standard error, each in one write(2), so that processes sharing a terminal do not mix
/// theirs.
enum Terminal {
  static func print(_ line: String) { write(line + "\n", to: STDOUT_FILENO) }

  /// One line about an error.
  static func complain(_ line: String) { write("murmur: \(line)\n", to: STDERR_FILENO) }

  /// One line on standard error that is no error.
  static func note(_ line: String) { write(line + "\n", to: STDERR_FILENO) }

  /// Bytes that cannot be written are lost: there is nobody left to tell.
  static func write(_ text: String, to descriptor: Int32) {
    var rest = Array(text.utf8)[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
      if count < 0 {
        if errno == EINTR { continue }
        return
      }
      rest = rest.dropFirst(count)
    }
  }

  /// Characters on a line of a terminal; 80 for anything else.
  static func columns(_ descriptor: Int32) -> Int {
    var size = winsize()
    guard ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return 80 }
    return Int(size.ws_col)
  }
}
