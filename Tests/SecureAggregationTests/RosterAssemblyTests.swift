import Cryptography
import Federation
import SecureAggregation
import Testing

/// A roster that one frame does not hold travels in parts.
struct RosterAssemblyTests {
  private static let signature = Signature(unchecked: [UInt8](repeating: 1, count: 64))

  private static func roster(_ count: Int) throws -> RosterMessage {
    let federation = try ProtocolFederation(count: 3)
    let advert = try federation.worker(federation.workers[0], in: federation.context()).advert
    let adverts = (0..<count).map { index in
      KeyAdvert(
        entry: RosterEntry(
          worker: ProtocolFederation.name(index), certificateFingerprint: advert.entry.certificateFingerprint,
          encryptionKey: advert.entry.encryptionKey, maskKey: advert.entry.maskKey),
        modelDigest: advert.modelDigest, configurationDigest: advert.configurationDigest,
        offerSignature: advert.offerSignature, signature: advert.signature)
    }
    return RosterMessage(adverts: adverts, signature: signature)
  }

  @Test("Parts make the roster again, in whatever order they come", arguments: [1, 2_500, 2_501, 9_000])
  func assembles(count: Int) throws {
    let roster = try Self.roster(count)
    let parts = roster.parts
    #expect(parts.count == (count + 2_499) / 2_500)
    #expect(parts.allSatisfy { $0.adverts.count <= RosterMessage.advertsMax })
    var assembly = RosterAssembly()
    let whole = parts.reversed().map { assembly.add($0) }
    #expect(whole.dropLast().allSatisfy { $0 == nil })
    #expect(whole.last == roster)
  }

  @Test("Parts of another roster replace what came before, and are never mixed with it")
  func neverMixes() throws {
    let first = try Self.roster(5_000).parts
    let second = first.map {
      RosterMessage(
        adverts: $0.adverts, signature: Signature(unchecked: [UInt8](repeating: 2, count: 64)), part: $0.part)
    }
    var assembly = RosterAssembly()
    #expect(assembly.add(first[0]) == nil)
    #expect(assembly.add(second[1]) == nil)
    #expect(assembly.add(second[0])?.signature == second[0].signature)
  }

  @Test("Parts out of bounds are dropped", arguments: [(4, 4), (-1, 2), (0, 5), (2, 2)])
  func dropsBadParts(_ given: (index: Int, count: Int)) throws {
    let roster = try Self.roster(1)
    var assembly = RosterAssembly()
    let part = RosterMessage(
      adverts: roster.adverts, signature: roster.signature, part: .init(index: given.index, count: given.count))
    #expect(assembly.add(part) == nil)
  }
}
