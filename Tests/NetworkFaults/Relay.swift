import Glibc
import ZeroMQ

/// The thread of a `FaultProxy`: every connection, and what waits on its two lanes.
final class Relay {
  private let listener: Int32
  /// The reading end of the pipe by which the proxy says that something has changed.
  private let woken: Int32
  private let target: UInt16
  private let seed: UInt64
  private let state: Locked<FaultProxy.State>
  private var connections: [Connection] = []
  private var count = 0

  init(listener: Int32, woken: Int32, target: UInt16, seed: UInt64, state: Locked<FaultProxy.State>) {
    self.listener = listener
    self.woken = woken
    self.target = target
    self.seed = seed
    self.state = state
  }

  /// Until the proxy is stopped.
  func run() {
    defer {
      for connection in connections { connection.close(withReset: true) }
      close(listener)
      close(woken)
    }
    while true {
      let now = ContinuousClock.now
      let (rules, mustReset, isStopped) = state.withLock { state in
        defer { state.mustReset = false }
        return (state.rules, state.mustReset, state.isStopped)
      }
      if isStopped { return }
      if mustReset { for connection in connections { connection.close(withReset: true) } }
      for connection in connections where connection.isOpen { move(connection, rules, now) }
      connections.removeAll { !$0.isOpen }
      wait(rules, now)
    }
  }

  private func move(_ connection: Connection, _ rules: [LaneRules], _ now: ContinuousClock.Instant) {
    for lane in Lane.allCases where !rules[lane.rawValue].isBlackHole {
      connection.take(lane, rules[lane.rawValue], seed: seed, now)
      let passed = connection.give(lane, now)
      guard passed > 0 else { continue }
      let isCut = state.withLock { state in
        state.passed[lane.rawValue] += UInt64(passed)
        guard let limit = state.cutAfter[lane.rawValue], state.passed[lane.rawValue] >= limit else { return false }
        state.cutAfter[lane.rawValue] = nil
        return true
      }
      if isCut { for other in connections { other.close(withReset: true) } }
    }
    // An end of one side reaches the other as soon as what came before it has: not through a black hole.
    if !rules.contains(where: \.isBlackHole), connection.isDone { connection.close(withReset: false) }
  }

  private func accept() {
    while true {
      let near = Glibc.accept(listener, nil, nil)
      guard near >= 0 else { return }
      let far = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
      var address = FaultProxy.loopback(port: target)
      let isConnected = withUnsafePointer(to: &address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
          connect(far, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
        }
      }
      count += 1
      state.withLock { $0.connections += 1 }
      let connection = Connection(number: count, near: near, far: far)
      if isConnected { connections.append(connection) } else { connection.close(withReset: true) }
    }
  }

  /// Until there is something to read or write, or something waiting is due.
  private func wait(_ rules: [LaneRules], _ now: ContinuousClock.Instant) {
    let isPartitioned = rules.allSatisfy(\.isBlackHole)
    var items = [pollfd(fd: woken, events: Int16(POLLIN), revents: 0)]
    // Descriptors below 0 are passed over (poll(2)).
    items.append(pollfd(fd: isPartitioned ? -1 : listener, events: Int16(POLLIN), revents: 0))
    var due: ContinuousClock.Instant?
    for connection in connections {
      for lane in Lane.allCases where !rules[lane.rawValue].isBlackHole {
        items += connection.interests(lane, now)
        if let next = connection.nextDue(lane, now) { due = min(due ?? next, next) }
      }
    }
    let milliseconds = due.map { max(1, min(1000, Int32(($0 - now) / .milliseconds(1)) + 1)) } ?? 1000
    poll(&items, nfds_t(items.count), milliseconds)
    if items[0].revents != 0 {
      var bytes = [UInt8](repeating: 0, count: 64)
      while read(woken, &bytes, bytes.count) > 0 {}
    }
    if items[1].revents != 0 { accept() }
  }
}

/// One connection through the proxy: two sockets, and what is on its way between them.
final class Connection {
  private struct Piece {
    let due: ContinuousClock.Instant
    var bytes: ArraySlice<UInt8>
  }

  private struct Queue {
    var pieces: [Piece] = []
    var bytes = 0
    /// When the last byte taken may leave at the earliest, by the bandwidth.
    var freeAt = ContinuousClock.now
    /// Bytes taken since the beginning.
    var taken: UInt64 = 0
    var hasEnded = false
  }

  /// A link holds no more on its way.
  private static let queueBytesMax = 1 << 18

  private let number: Int
  private let near: Int32
  private let far: Int32
  private var queues = [Queue(), Queue()]
  private(set) var isOpen = true

  init(number: Int, near: Int32, far: Int32) {
    self.number = number
    self.near = near
    self.far = far
    for descriptor in [near, far] {
      _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
      var on: Int32 = 1
      setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
    }
  }

  private func source(_ lane: Lane) -> Int32 { lane == .up ? near : far }
  private func sink(_ lane: Lane) -> Int32 { lane == .up ? far : near }

  /// Everything that came has been passed on, and one side has ended.
  var isDone: Bool { queues.contains(where: \.hasEnded) && queues.allSatisfy { $0.bytes == 0 } }

  /// Reads what the lane has room for, and decides when it leaves.
  func take(_ lane: Lane, _ rules: LaneRules, seed: UInt64, _ now: ContinuousClock.Instant) {
    while isOpen, !queues[lane.rawValue].hasEnded, queues[lane.rawValue].bytes < Self.queueBytesMax {
      // One block at a time: each has a fate of its own.
      let taken = queues[lane.rawValue].taken
      let block = taken / UInt64(Loss.blockBytes)
      let room = Loss.blockBytes - Int(taken % UInt64(Loss.blockBytes))
      var buffer = [UInt8](repeating: 0, count: room)
      let count = recv(source(lane), &buffer, room, 0)
      guard count > 0 else {
        if count == 0 || (errno != EAGAIN && errno != EINTR) { queues[lane.rawValue].hasEnded = true }
        return
      }
      var due = now + rules.delay
      if taken % UInt64(Loss.blockBytes) == 0 {
        switch rules.loss.fate(of: block, connection: number, lane: lane, seed: seed) {
        case .passes: break
        case .stalls: due += rules.loss.stall
        case .resets: return close(withReset: true)
        }
      }
      if let rate = rules.bytesPerSecond {
        let start = max(now, queues[lane.rawValue].freeAt)
        queues[lane.rawValue].freeAt = start + .seconds(Double(count) / Double(rate))
        due = max(due, queues[lane.rawValue].freeAt + rules.delay)
      }
      // A stream keeps its order.
      if let last = queues[lane.rawValue].pieces.last { due = max(due, last.due) }
      queues[lane.rawValue].pieces.append(Piece(due: due, bytes: buffer[..<count]))
      queues[lane.rawValue].bytes += count
      queues[lane.rawValue].taken += UInt64(count)
    }
  }

  /// Writes what is due.
  ///
  /// - Returns: how many bytes.
  func give(_ lane: Lane, _ now: ContinuousClock.Instant) -> Int {
    var given = 0
    while isOpen, let piece = queues[lane.rawValue].pieces.first, piece.due <= now {
      let count = piece.bytes.withUnsafeBytes { send(sink(lane), $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
      guard count > 0 else {
        if errno != EAGAIN && errno != EINTR { close(withReset: true) }
        return given
      }
      given += count
      queues[lane.rawValue].bytes -= count
      if count == piece.bytes.count {
        queues[lane.rawValue].pieces.removeFirst()
      } else {
        queues[lane.rawValue].pieces[0].bytes = piece.bytes.dropFirst(count)
      }
    }
    return given
  }

  /// What poll(2) has to wait for.
  func interests(_ lane: Lane, _ now: ContinuousClock.Instant) -> [pollfd] {
    let queue = queues[lane.rawValue]
    var items: [pollfd] = []
    if !queue.hasEnded, queue.bytes < Self.queueBytesMax {
      items.append(pollfd(fd: source(lane), events: Int16(POLLIN), revents: 0))
    }
    if let first = queue.pieces.first, first.due <= now {
      items.append(pollfd(fd: sink(lane), events: Int16(POLLOUT), revents: 0))
    }
    return items
  }

  func nextDue(_ lane: Lane, _ now: ContinuousClock.Instant) -> ContinuousClock.Instant? {
    queues[lane.rawValue].pieces.first.flatMap { $0.due > now ? $0.due : nil }
  }

  /// - Parameter withReset: both sides are told at once that the connection is broken, whatever is on its way.
  func close(withReset: Bool) {
    guard isOpen else { return }
    isOpen = false
    for descriptor in [near, far] {
      if withReset {
        var linger = linger(l_onoff: 1, l_linger: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout<linger>.size))
      }
      Glibc.close(descriptor)
    }
  }
}
