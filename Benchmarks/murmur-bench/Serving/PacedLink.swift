import Foundation

/// A way to a port of this machine that lets so many bytes a second through towards whoever connects, as a network would.
final class PacedLink: Sendable {
  let port: UInt16
  private let listener: Int32

  /// Bytes that pass at once.
  private static let burstBytes = 64 << 10

  init(to target: UInt16, bytesPerSecond rate: Double) throws {
    let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = Self.loopback(port: 0)
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    let isBound = withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(listener, $0, size) == 0 && listen(listener, 8) == 0 && getsockname(listener, $0, &size) == 0
      }
    }
    guard isBound else { throw BenchmarkFailure.system("a socket on 127.0.0.1", errno) }
    self.listener = listener
    port = UInt16(bigEndian: address.sin_port)
    Thread.detachNewThread {
      while true {
        let near = accept(listener, nil, nil)
        guard near >= 0 else { return }
        let far = Self.connect(to: target)
        Thread.detachNewThread { Self.pass(from: near, to: far, rate: nil) }
        Thread.detachNewThread { Self.pass(from: far, to: near, rate: rate) }
      }
    }
  }

  deinit {
    shutdown(listener, Int32(SHUT_RDWR))
    close(listener)
  }

  private static func loopback(port: UInt16) -> sockaddr_in {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    return address
  }

  private static func connect(to port: UInt16) -> Int32 {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = loopback(port: port)
    _ = withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        Foundation.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    return descriptor
  }

  /// Until one side ends; then the other hears of it.
  private static func pass(from source: Int32, to target: Int32, rate: Double?) {
    var buffer = [UInt8](repeating: 0, count: burstBytes)
    var due = wallSeconds()
    while true {
      let count = recv(source, &buffer, buffer.count, 0)
      guard count > 0 else { break }
      if let rate {
        // A pause is not made up for: the link carries nothing faster afterwards.
        due = max(due, wallSeconds() - 0.001) + Double(count) / rate
        let wait = due - wallSeconds()
        if wait > 0 { usleep(UInt32(wait * 1e6)) }
      }
      var done = 0
      while done < count {
        let sent = buffer.withUnsafeBytes {
          send(target, $0.baseAddress.map { $0 + done }, count - done, Int32(MSG_NOSIGNAL))
        }
        guard sent > 0 else { break }
        done += sent
      }
      guard done == count else { break }
    }
    shutdown(source, Int32(SHUT_RDWR))
    shutdown(target, Int32(SHUT_RDWR))
  }
}
