import Glibc
import ZeroMQ

/// A TCP relay on loopback that makes the faults of a network: delay, bandwidth, loss, resets, black holes.
///
/// One thread relays all connections. What goes wrong by chance follows from the seed and the place in the stream, not
/// from when bytes come. Ends with its last reference.
package final class FaultProxy: Sendable {
  /// Where it listens, on 127.0.0.1.
  package let port: UInt16

  private let state: Locked<State>
  /// The writing end of a pipe that wakes the thread.
  private let wake: Int32
  private let thread: ComputeThread

  struct State {
    var rules: [LaneRules] = [.clear, .clear]
    /// Connections break when so many bytes have passed, all together; nil for never.
    var cutAfter: [UInt64?] = [nil, nil]
    var passed: [UInt64] = [0, 0]
    var connections = 0
    var mustReset = false
    var isStopped = false
  }

  /// - Parameter target: the port on 127.0.0.1 to which connections are relayed.
  package init(to target: UInt16, seed: UInt64 = 1) throws(SystemFailure) {
    let listener = try Self.listen()
    port = try Self.port(of: listener)
    var ends: [Int32] = [0, 0]
    guard pipe(&ends) == 0 else { throw SystemFailure(call: "pipe", code: errno) }
    for end in ends {
      _ = fcntl(end, F_SETFD, FD_CLOEXEC)
      _ = fcntl(end, F_SETFL, O_NONBLOCK)
    }
    let woken = ends[0]
    let state = Locked(State())
    do {
      thread = try ComputeThread(name: "fault-proxy")
    } catch {
      throw SystemFailure(call: "pthread_create", code: error.code)
    }
    wake = ends[1]
    self.state = state
    thread.perform { Relay(listener: listener, woken: woken, target: target, seed: seed, state: state).run() }
  }

  deinit {
    change { $0.isStopped = true }
    thread.stop()
    close(wake)
  }

  // MARK: Faults

  package func set(_ rules: LaneRules, on lanes: [Lane] = Lane.allCases) {
    change { state in
      for lane in lanes { state.rules[lane.rawValue] = rules }
    }
  }

  /// Nothing moves either way; new connections are not answered.
  package func partition() { set(.blackHole) }

  package func heal() { set(.clear) }

  /// Breaks all connections with a reset, on both sides.
  package func reset() { change { $0.mustReset = true } }

  /// Breaks the connections once, when so many bytes have passed on the lane since the beginning.
  package func reset(afterBytes count: UInt64, on lane: Lane) { change { $0.cutAfter[lane.rawValue] = count } }

  // MARK: Counts

  /// Bytes that have passed on a lane.
  package func passed(_ lane: Lane) -> UInt64 { state.withLock { $0.passed[lane.rawValue] } }

  /// Connections taken so far.
  package var connections: Int { state.withLock { $0.connections } }

  private func change(_ body: (inout State) -> Void) {
    state.withLock(body)
    var one: UInt8 = 1
    // A full pipe (EAGAIN) wakes as well.
    _ = write(wake, &one, 1)
  }

  // MARK: Sockets

  private static func listen() throws(SystemFailure) -> Int32 {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue), 0)
    guard descriptor >= 0 else { throw SystemFailure(call: "socket", code: errno) }
    var address = loopback(port: 0)
    let isBound = withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
      }
    }
    guard isBound, Glibc.listen(descriptor, 64) == 0 else {
      let code = errno
      close(descriptor)
      throw SystemFailure(call: "bind", code: code)
    }
    return descriptor
  }

  private static func port(of descriptor: Int32) throws(SystemFailure) -> UInt16 {
    var address = sockaddr_in()
    var count = socklen_t(MemoryLayout<sockaddr_in>.size)
    let isKnown = withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &count) == 0 }
    }
    guard isKnown else { throw SystemFailure(call: "getsockname", code: errno) }
    return UInt16(bigEndian: address.sin_port)
  }

  static func loopback(port: UInt16) -> sockaddr_in {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr = in_addr(s_addr: UInt32(0x7F00_0001).bigEndian)
    return address
  }
}

/// A call of the system that failed.
package struct SystemFailure: Error, Hashable, CustomStringConvertible {
  package let call: String
  package let code: Int32
  package var description: String { "\(call): \(String(cString: strerror(code)))" }
}
