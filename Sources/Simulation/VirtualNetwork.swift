import ClusterConfiguration
import Federation
import Membership

/// The sockets between a worker and the coordinator.
enum VirtualSocket: UInt8, CaseIterable {
  case control = 0
  case bulk = 1

  var name: String { self == .control ? "control" : "bulk" }
}

enum Direction {
  case toCoordinator
  case toWorker
}

/// One message as frames, on its way.
struct Transmission {
  let worker: Int
  let socket: VirtualSocket
  let direction: Direction
  /// Which connection of the socket carries it: they are numbered from 1.
  let connection: UInt32
  /// The name of the message in logs.
  let kind: String
  let header: [UInt8]
  let payload: [UInt8]?

  var byteCount: Int { header.count + (payload?.count ?? 0) }
}

/// The links between the coordinator and each worker: two connections each, which behave as ZeroMQ over TCP does.
///
/// On one connection nothing is lost, repeated or overtaken unless the scenario says so. A connection that breaks takes
/// everything with it that is on its way, and comes back after `reconnectDelay` under a new number, which is a new link
/// to the coordinator. Nothing is queued for a peer that is not connected. Control and bulk each have the whole
/// bandwidth: what matters here is that neither waits behind the other.
struct VirtualNetwork {
  /// The time from a broken connection to the next attempt to connect (`SocketProfile`, reconnect).
  static let reconnectDelay = Duration.milliseconds(500)

  enum Outcome {
    /// When the message and its repetitions arrive.
    case arrives([MonotonicTime])
    /// The message was lost, and the connection with it.
    case broke
    /// There is no such connection.
    case refused
  }

  private struct Lane {
    var choices: SeededGenerator
    var freeAt = VirtualTime.zero
    var lastArrival = VirtualTime.zero
  }

  private struct Connection {
    var number: UInt32 = 0
    var isUp = false
    /// What older connections still carried to the coordinator is lost.
    var oldestValid: UInt32 = 1
    var up: Lane
    var down: Lane
  }

  /// The scenario's link, and behind it each group's of its own.
  private let links: [SimulationScenario.Network]
  /// Of each worker; empty if all have the first.
  private let linkNumbers: [Int]
  private var connections: [Connection]

  init(_ scenario: SimulationScenario, workers: [WorkerID], seed: UInt64) {
    var links = [scenario.network]
    var numbers: [Int] = []
    for group in scenario.groups {
      if let network = group.network { links.append(network) }
      numbers += Array(repeating: group.network == nil ? 0 : links.count - 1, count: group.workers.count)
    }
    self.init(links, numbers: links.count > 1 ? numbers : [], workers: workers, seed: seed)
  }

  /// All workers have the same link.
  init(_ link: SimulationScenario.Network, workers: [WorkerID], seed: UInt64) {
    self.init([link], numbers: [], workers: workers, seed: seed)
  }

  private init(_ links: [SimulationScenario.Network], numbers: [Int], workers: [WorkerID], seed: UInt64) {
    self.links = links
    linkNumbers = numbers
    connections = workers.flatMap { worker in
      VirtualSocket.allCases.map { socket in
        Connection(
          up: Lane(choices: SeededGenerator(seed: seed, stream: "network \(worker) \(socket.name) up")),
          down: Lane(choices: SeededGenerator(seed: seed, stream: "network \(worker) \(socket.name) down")))
      }
    }
  }

  private func link(of worker: Int) -> SimulationScenario.Network {
    links[linkNumbers.isEmpty ? 0 : linkNumbers[worker]]
  }

  private static func place(_ worker: Int, _ socket: VirtualSocket) -> Int { 2 * worker + Int(socket.rawValue) }

  func isUp(_ worker: Int, _ socket: VirtualSocket) -> Bool { connections[Self.place(worker, socket)].isUp }

  /// The number of the connection that is up, or was last.
  func number(_ worker: Int, _ socket: VirtualSocket) -> UInt32 { connections[Self.place(worker, socket)].number }

  /// Begins to connect; the connection is up at the returned time, after a handshake there and back.
  mutating func handshake(_ worker: Int, _ socket: VirtualSocket, at time: MonotonicTime) -> MonotonicTime {
    let place = Self.place(worker, socket), latency = link(of: worker).latency
    return time + latency.draw(using: &connections[place].up.choices)
      + latency.draw(using: &connections[place].down.choices)
  }

  mutating func connect(_ worker: Int, _ socket: VirtualSocket) {
    let place = Self.place(worker, socket)
    connections[place].number += 1
    connections[place].isUp = true
  }

  /// - Parameter deliversRest: whether what the worker has sent still arrives, as after the death of its process.
  mutating func disconnect(_ worker: Int, _ socket: VirtualSocket, deliversRest: Bool) {
    let place = Self.place(worker, socket)
    connections[place].isUp = false
    if !deliversRest { connections[place].oldestValid = connections[place].number + 1 }
  }

  /// Whether a message that arrives now is still on a connection.
  func delivers(_ transmission: Transmission) -> Bool {
    let connection = connections[Self.place(transmission.worker, transmission.socket)]
    switch transmission.direction {
    case .toCoordinator: return transmission.connection >= connection.oldestValid
    case .toWorker: return connection.isUp && transmission.connection == connection.number
    }
  }

  mutating func send(_ transmission: Transmission, at time: MonotonicTime) -> Outcome {
    let place = Self.place(transmission.worker, transmission.socket)
    guard connections[place].isUp, connections[place].number == transmission.connection else { return .refused }
    let link = link(of: transmission.worker), count = transmission.byteCount
    switch transmission.direction {
    case .toCoordinator: return Self.carry(count, on: &connections[place].up, link, bandwidth: link.up, at: time)
    case .toWorker: return Self.carry(count, on: &connections[place].down, link, bandwidth: link.down, at: time)
    }
  }

  // Not methods of an instance: while one lane changes, a copy of the network would be a copy of all connections.

  private static func carry(
    _ byteCount: Int, on lane: inout Lane, _ link: SimulationScenario.Network, bandwidth: UInt64, at time: MonotonicTime
  ) -> Outcome {
    if happens(link.loss, &lane.choices) { return .broke }
    let sent = max(time, lane.freeAt) + .nanoseconds(Int64(Double(byteCount) / Double(bandwidth) * 1e9))
    lane.freeAt = sent
    var arrival = sent + link.latency.draw(using: &lane.choices)
    if happens(link.reordering, &lane.choices) {
      // Held up on the way, so that later messages overtake it.
      arrival = arrival + link.latency.maximum + link.latency.draw(using: &lane.choices)
    } else {
      arrival = max(arrival, lane.lastArrival)
      lane.lastArrival = arrival
    }
    guard happens(link.duplication, &lane.choices) else { return .arrives([arrival]) }
    return .arrives([arrival, arrival + link.latency.draw(using: &lane.choices)])
  }

  private static func happens(_ probability: Double, _ choices: inout SeededGenerator) -> Bool {
    probability > 0 && choices.unit() < probability
  }
}

extension SeededGenerator {
  /// A number from 0 to below 1, in steps of 2^−53.
  mutating func unit() -> Double { Double(next() >> 11) * 0x1p-53 }
}

extension LinkID {
  /// The link behind one connection of a worker.
  init(worker: Int, socket: VirtualSocket, connection: UInt32) {
    self.init(Self.bytes(UInt32(worker)) + [socket.rawValue] + Self.bytes(connection))
  }

  /// Worker and connection of a virtual link; nil for any other.
  var virtual: (worker: Int, connection: UInt32)? {
    guard bytes.count == 9 else { return nil }
    return (Int(Self.number(bytes[0..<4])), Self.number(bytes[5..<9]))
  }

  private static func bytes(_ value: UInt32) -> [UInt8] {
    (0..<4).map { UInt8(truncatingIfNeeded: value >> (24 - 8 * $0)) }
  }
  private static func number(_ bytes: ArraySlice<UInt8>) -> UInt32 { bytes.reduce(0) { $0 << 8 | UInt32($1) } }
}
