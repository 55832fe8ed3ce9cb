import Federation
import ModelRegistry
import Serving
import Testing

@Suite("Standby and memory")
struct StandbyTests {
  private let champion = Alias("champion") ?? .latest

  /// A node that serves version 2 as champion and has version 1 as its standby.
  private func node() throws -> Node {
    var node = try Node(standby: 1)
    node.snapshot(1, [try node.publisher.entry(1, [champion]), try node.publisher.entry(2, [.best])])
    node.finish(2)
    node.finish(1)
    node.record(2, .aliasMoved(model: "digits", alias: champion, version: 2))
    return node
  }

  @Test("What an alias served before stays loaded, and going back to it takes no step")
  func rollsBack() throws {
    var node = try node()
    #expect(node.served(champion) == 2)
    #expect(node.record(3, .aliasMoved(model: "digits", alias: champion, version: 1)) == [.offer(name(1), champion)])
    #expect(node.record(4, .aliasMoved(model: "digits", alias: champion, version: 2)) == [.offer(name(2), champion)])
  }

  @Test("Only the last version before is kept: the one before that goes when the next is offered")
  func one() throws {
    var node = try node()
    node.record(3, try node.publisher.published(3))
    node.snapshot(3, [try node.publisher.entry(3, [champion, .best])])
    #expect(node.finish(3) == [.offer(name(3), .best), .offer(name(3), champion), .drain(name(1))])
    #expect(node.handle(.drained(name(1))) == [.unload(name(1))])
  }

  @Test("The standby of an alias that is taken away goes with it")
  func removed() throws {
    var node = try node()
    #expect(
      node.record(3, .aliasRemoved(model: "digits", alias: champion)) == [
        .withdraw("digits", champion), .drain(name(1)),
      ])
    #expect(node.served(champion) == nil)
    #expect(node.served(.best) == 2)
  }

  @Test("Without memory the standby gives way, then the version is loaded; the old one serves meanwhile")
  func givesWay() throws {
    var node = try node()
    node.record(3, try node.publisher.published(3))
    node.snapshot(3, [try node.publisher.entry(3, [champion]), try node.publisher.entry(2, [.best])])
    node.handle(.blobsFetched(name(3)))
    node.handle(.verified(name(3)))
    let refused = node.all(.loadRefused(name(3), "64 MiB of 48 MiB"))
    #expect(refused == [.report(.loadRefused(name(3), "64 MiB of 48 MiB")), .drain(name(1))])
    #expect(node.served(champion) == 2)
    #expect(node.handle(.drained(name(1))) == [.unload(name(1)), .load(name(3))])
    node.handle(.loaded(name(3)))
    #expect(node.handle(.warmedUp(name(3))) == [.offer(name(3), champion)])
  }

  @Test("A version without memory is not quarantined: it is tried again when anything was unloaded, and not before")
  func waits() throws {
    var node = try Node(standby: 1)
    node.snapshot(1, [try node.publisher.entry(1, [champion]), try node.publisher.entry(2, [.best])])
    node.finish(2)
    node.handle(.blobsFetched(name(1)))
    node.handle(.verified(name(1)))
    #expect(node.handle(.loadRefused(name(1), "full")) == [])
    #expect(node.record(2, .heartbeat) == [.requestSnapshot])
    let entries = [try node.publisher.entry(1, [champion]), try node.publisher.entry(2, [.best])]
    #expect(node.snapshot(2, entries) == [])
    #expect(
      node.record(3, .aliasRemoved(model: "digits", alias: .best)) == [.withdraw("digits", .best), .drain(name(2))])
    #expect(node.handle(.drained(name(2))) == [.unload(name(2)), .load(name(1))])
    #expect(node.handle(.loadRefused(name(1), "still full")) == [])
  }

  @Test("A newer version takes the place of one that waits for memory")
  func superseded() throws {
    var node = try Node(standby: 0)
    node.snapshot(1, [try node.publisher.entry(1)])
    node.finish(1)
    node.record(2, try node.publisher.published(2))
    node.snapshot(2, [try node.publisher.entry(2)])
    node.handle(.blobsFetched(name(2)))
    node.handle(.verified(name(2)))
    #expect(node.handle(.loadRefused(name(2), "full")) == [])
    node.record(3, try node.publisher.published(3))
    let actions = node.snapshot(3, [try node.publisher.entry(3)])
    #expect(actions.first == .unload(name(2)))
    #expect(fetches(actions) == [name(3)])
    #expect(node.served() == 1)
  }
}
