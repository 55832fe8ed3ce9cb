import Glibc
import Observability

extension ProcessFigures {
  /// Fields of /proc/self/stat behind the name, which may hold anything up to its last parenthesis (proc(5)).
  private enum Field {
    static let userTicks = 11
    static let systemTicks = 12
    static let startTicks = 19
    static let residentPages = 21
  }

  /// Longest text of a file in /proc that is read here.
  private static let fileBytesMax: UInt64 = 64 << 10

  /// Of this process, now (proc(5)); nil where there is no such file system, or it does not say.
  static func now() -> ProcessFigures? {
    guard let stat = read("/proc/self/stat"), let boot = bootTime(), let descriptors = openDescriptors() else {
      return nil
    }
    return ProcessFigures(
      stat: stat, ticksPerSecond: Double(sysconf(Int32(_SC_CLK_TCK))), pageBytes: UInt64(sysconf(Int32(_SC_PAGESIZE))),
      bootUnixSeconds: boot, openDescriptors: descriptors)
  }

  /// - Parameter stat: text of /proc/PID/stat; nil for one that is not.
  init?(
    stat: String, ticksPerSecond: Double, pageBytes: UInt64, bootUnixSeconds: Double, openDescriptors: UInt64
  ) {
    guard let name = stat.lastIndex(of: ")") else { return nil }
    let fields = stat[stat.index(after: name)...].split(whereSeparator: \.isWhitespace)
    guard fields.count > Field.residentPages, let user = UInt64(fields[Field.userTicks]),
      let system = UInt64(fields[Field.systemTicks]), let start = UInt64(fields[Field.startTicks]),
      let pages = UInt64(fields[Field.residentPages])
    else { return nil }
    self.init(
      cpuSeconds: Double(user + system) / ticksPerSecond, residentBytes: pages * pageBytes,
      openDescriptors: openDescriptors, startUnixSeconds: bootUnixSeconds + Double(start) / ticksPerSecond)
  }

  private static func bootTime() -> Double? {
    read("/proc/stat")?.split(separator: "\n").first { $0.hasPrefix("btime ") }.flatMap { Double($0.dropFirst(6)) }
  }

  /// The descriptor that reads the folder is not counted.
  private static func openDescriptors() -> UInt64? {
    guard let folder = opendir("/proc/self/fd") else { return nil }
    defer { closedir(folder) }
    var count: UInt64 = 0
    while readdir(folder) != nil { count += 1 }
    return count - min(count, 3)  // Also not "." and "..".
  }

  /// Files of /proc say that they are empty: they are read until their end.
  private static func read(_ path: String) -> String? {
    let file = open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { return nil }
    defer { close(file) }
    var bytes: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: 4096)
    while bytes.count < fileBytesMax {
      let count = Glibc.read(file, &piece, piece.count)
      guard count >= 0 else { return nil }
      if count == 0 { break }
      bytes += piece[..<count]
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}
