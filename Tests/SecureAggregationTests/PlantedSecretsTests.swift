#if os(Linux)
  import Cryptography
  import Foundation
  import SecretProbe
  import Testing

  /// A whole attempt with known secrets in a process of its own, whose memory is searched for every one of them.
  @Suite("Planted secrets")
  struct PlantedSecretsTests {
    /// Every secret of the attempt, and the two controls last.
    private struct Known {
      var names: [String] = []
      var pieces: [(bytes: [UInt8], index: Int)] = []
      var released: Set<Int> = []
      let array: Int
      let secret: Int

      init() throws {
        let observer = PlantedRound.Observer()
        try PlantedRound.run(observer: observer) { _ in }
        for secret in observer.secrets {
          if observer.released.contains(secret.bytes) { released.insert(names.count) }
          Self.add(secret.name, secret.bytes, &names, &pieces)
        }
        for kind in ["array", "secret"] {
          Self.add("control \(kind)", Probe.control(kind).withUnsafeBytes { Array($0) }, &names, &pieces)
        }
        array = names.count - 2
        secret = names.count - 1
      }

      /// A secret is searched for by every 16 bytes of it that begin at a multiple of eight.
      private static func add(
        _ name: String, _ bytes: [UInt8], _ names: inout [String], _ pieces: inout [(bytes: [UInt8], index: Int)]
      ) {
        for start in stride(from: 0, through: bytes.count - 16, by: 8) {
          pieces.append((Array(bytes[start..<start + 16]), names.count))
        }
        names.append(name)
      }
    }

    /// What is in use at a moment, so that searching for it elsewhere means something.
    private static func mustLive(_ name: String, at moment: PlantedRound.Moment) -> Bool {
      if name.hasSuffix("of authority") { return false }  // It signs certificates and is gone.
      let isOfDropout = name.hasSuffix("of worker-\(PlantedRound.count - 1)")
      return switch moment {
      case .dealt:
        ["identity seed", "mask key", "rounding seed", "self-mask seed", "share of"].contains { name.hasPrefix($0) }
      case .masked: name.hasPrefix("key ") || name.hasPrefix("share of") || name.hasPrefix("identity seed")
      case .reconstructed: name.hasPrefix(isOfDropout ? "mask key" : "self-mask seed")
      case .closed: name.hasPrefix("identity seed")
      case .ended: false
      }
    }

    @Test("No secret of a round is in a core image, at any moment; nor anywhere in the process after its end")
    func areNowhere() throws {
      let known = try Known()
      let probe = try ProbeProcess("round")
      var moments: [PlantedRound.Moment] = []
      while let line = probe.line() {
        let moment = try #require(PlantedRound.Moment(rawValue: line))
        moments.append(moment)
        let image = try CoreImage(of: probe.id)
        var found = try image.find(known.pieces, excluded: false)
        #expect(found.removeValue(forKey: known.array)?.isEmpty == false, "the search is asleep at \(moment)")
        if moment >= .reconstructed { for index in known.released { found[index] = nil } }
        for (index, places) in found.sorted(by: { $0.key < $1.key }) {
          Issue.record("at \(moment) a core image holds \(known.names[index]): \(places)")
        }
        var kept = try image.find(known.pieces, excluded: true)
        #expect(kept.removeValue(forKey: known.secret)?.isEmpty == false, "the heap of secrets is not read")
        if moment == .ended {
          for (index, places) in kept.sorted(by: { $0.key < $1.key }) {
            Issue.record("after the end the heap of secrets holds \(known.names[index]): \(places)")
          }
        }
        for (index, name) in known.names.enumerated() where Self.mustLive(name, at: moment) && kept[index] == nil {
          Issue.record("at \(moment) \(name) is nowhere: other secrets are searched for than the round has")
        }
        try probe.goOn()
      }
      #expect(moments == PlantedRound.Moment.allCases)
      #expect(try probe.end().code == 0)
    }

    @Test("A forked child inherits no secret, draws none and makes none; its parent goes on")
    func forkedChild() throws {
      let ending = try ProbeProcess("fork").end()
      #expect(ending.lines == ["inherits: exit 0", "draws: signal 6", "allocates: signal 6", "parent draws on"])
      #expect(ending.complaints.components(separatedBy: "a forked child has no secrets and draws none").count == 3)
      #expect(ending.code == 0)
    }
  }
#endif
