import ClusterConfiguration
import Federation
import Testing

@testable import Simulation

@Suite("Virtual network")
struct VirtualNetworkTests {
  private static func network(
    bandwidth: UInt64 = 1_000_000, loss: Double = 0, duplication: Double = 0, reordering: Double = 0
  ) -> VirtualNetwork {
    VirtualNetwork(
      SimulationScenario.Network(
        latency: .uniform(minimum: .milliseconds(5), maximum: .milliseconds(40)), up: bandwidth, down: bandwidth,
        loss: loss, duplication: duplication, reordering: reordering), workers: ["worker-1", "worker-2"], seed: 1)
  }

  private static func message(_ byteCount: Int, _ direction: Direction = .toWorker, connection: UInt32 = 1)
    -> Transmission
  {
    Transmission(
      worker: 0, socket: .control, direction: direction, connection: connection, kind: "test",
      header: Array(repeating: 0, count: byteCount), payload: nil)
  }

  private static func arrivals(_ network: inout VirtualNetwork, _ message: Transmission, at time: UInt64 = 0)
    -> [MonotonicTime]
  {
    guard case .arrives(let times) = network.send(message, at: MonotonicTime(nanoseconds: time)) else { return [] }
    return times
  }

  @Test("What happens at one time happens in the order of its scheduling")
  func queueOrder() {
    var queue = EventQueue<Int>(), choices = SeededGenerator(seed: 3)
    var expected: [(time: UInt64, event: Int)] = []
    for event in 0..<500 {
      let time = choices.next() % 20
      queue.schedule(event, at: MonotonicTime(nanoseconds: time))
      expected.append((time, event))
    }
    expected.sort { ($0.time, $0.event) < ($1.time, $1.event) }
    var found: [Int] = []
    while let next = queue.next() { found.append(next.event) }
    #expect(found == expected.map(\.event))
  }

  @Test("One connection keeps the order, and needs its latency and the time for its bytes")
  func order() {
    var network = Self.network()
    network.connect(0, .control)
    let times = (0..<200).flatMap { _ in Self.arrivals(&network, Self.message(1000)) }
    #expect(times.count == 200)
    #expect(times == times.sorted())
    #expect(times[0].nanoseconds >= 6_000_000 && times[0].nanoseconds <= 41_000_000)
    #expect(times[199].nanoseconds >= 205_000_000)
  }

  @Test("Messages are overtaken and repeated only if the scenario says so")
  func rough() {
    var network = Self.network(duplication: 0.2, reordering: 0.2)
    network.connect(0, .control)
    let times = (0..<200).map { _ in Self.arrivals(&network, Self.message(10)) }
    #expect(times.contains { $0.count == 2 })
    let first = times.compactMap(\.first)
    #expect(first != first.sorted())
  }

  @Test("A broken connection loses what it carries; a dead process's last words still arrive")
  func disconnection() {
    for deliversRest in [false, true] {
      var network = Self.network()
      network.connect(0, .control)
      let up = Self.message(10, .toCoordinator), down = Self.message(10)
      #expect(Self.arrivals(&network, up).count == 1)
      network.disconnect(0, .control, deliversRest: deliversRest)
      #expect(network.delivers(up) == deliversRest)
      #expect(!network.delivers(down))
      #expect(Self.arrivals(&network, down).isEmpty)
      network.connect(0, .control)
      #expect(!network.delivers(down))
      #expect(Self.arrivals(&network, Self.message(10, connection: 2)).count == 1)
      #expect(Self.arrivals(&network, down).isEmpty)
    }
  }

  @Test("A lost message breaks its connection")
  func loss() {
    var network = Self.network(loss: 0.5)
    network.connect(0, .control)
    var broken = 0
    for _ in 0..<100 {
      if case .broke = network.send(Self.message(10), at: VirtualTime.zero) { broken += 1 }
    }
    #expect((30...70).contains(broken))
  }

  @Test("Lines of the event log are JSON whatever is in a text")
  func quoting() {
    #expect(EventLog.quoted("a \"b\" \\ \n é") == #""a \"b\" \\ \u000a é""#)
  }
}
