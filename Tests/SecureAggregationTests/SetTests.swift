import Federation
import SecureAggregation
import Testing

@Suite("Sets of workers")
struct SetTests {
  @Test("A bitmap reads back as it was written", arguments: [0, 1, 7, 8, 9, 64, 300])
  func roundTrip(_ count: Int) throws {
    let members = (0..<count).filter { $0 % 3 == 0 }
    let bitmap = Bitmap(members: members.reversed(), count: count)
    #expect(bitmap.members == members)
    #expect(bitmap.memberCount == members.count)
    #expect(try Bitmap(bytes: bitmap.bytes, count: count) == bitmap)
    #expect(!bitmap.contains(-1) && !bitmap.contains(count))
  }

  @Test("Subsets are of the same roster")
  func subsets() {
    let all = Bitmap(members: 0..<9, count: 9)
    #expect(Bitmap(members: [0, 8], count: 9).isSubset(of: all))
    #expect(!all.isSubset(of: Bitmap(members: 0..<8, count: 9)))
    #expect(!Bitmap(members: [0], count: 10).isSubset(of: all))
  }

  @Test(
    "Complaints remove both, unless more than the bound convict one side",
    arguments: [
      ([], []), ([(4, 2)], [2, 4]), ([(4, 1), (4, 2)], [4]), ([(1, 4), (2, 4)], [4]),
      ([(4, 1), (4, 2), (5, 6)], [4, 5, 6]), ([(1, 2), (2, 1)], [1, 2]), ([(0, 1), (0, 2), (3, 2)], [0, 2]),
    ] as [([(Int, Int)], [Int])])
  func complaints(_ pairs: [(Int, Int)], _ removed: [Int]) {
    let complaints = Set(pairs.map { Complaint(dealer: $0.0, complainer: $0.1) })
    #expect(Complaints.settle(complaints, bound: 1).sorted() == removed)
  }
}

@Suite("Configuration in canonical form")
struct ConfigurationTests {
  private var full: RoundConfiguration {
    var c = RoundConfiguration(
      vectorLength: 9098, issuanceLog: .sha256(of: [1]), revocationList: .sha256(of: [2]))
    c.goalCount = 5
    c.overSelection = .init(13, 10)
    c.privacy = .init(
      mechanism: 1, noiseMultiplier: 0.5, roundingBeta: 0.6, delta: 1e-6, rounds: 100, noiseCorruptionRule: 1)
    c.momentum = 0.9
    c.weightDecay = 0.001
    c.proximal = 0.1
    c.trainer = .sha256(of: [3])
    c.ringBits = 24
    c.rotation = true
    c.suite = .aes256
    c.auxiliaryLayout = RoundConfiguration.AuxiliaryField.allCases
    return c
  }

  @Test("Every field reads back as it was written")
  func roundTrip() throws {
    let minimal = RoundConfiguration(
      vectorLength: 0, issuanceLog: .sha256(of: [1]), revocationList: .sha256(of: [2]))
    for configuration in [full, minimal] {
      let read = try RoundConfiguration(canonicalBytes: configuration.canonicalBytes)
      #expect(read == configuration)
      #expect(read.canonicalBytes == configuration.canonicalBytes)
    }
    #expect(full.digest != minimal.digest)
  }

  @Test("Values outside their range are refused")
  func values() {
    let changes: [(inout RoundConfiguration) -> Void] = [
      { $0.protocolVersion = 2 }, { $0.corruptionRule = 2 }, { $0.sparseTable = 2 }, { $0.completeGraphLimit = 1 },
      { $0.maximumRoster = 1 }, { $0.maximumRoster = 10_001 }, { $0.ringBits = 20 }, { $0.vectorLength = 1 << 40 },
      { $0.maximumWeight = 0 }, { $0.clip = 0 }, { $0.clip = .infinity }, { $0.clip = .nan }, { $0.rangeFailure = 0 },
      { $0.rangeFailure = 1 }, { $0.chunkElements = 0 }, { $0.chunkElements = 40 }, { $0.chunkElements = 65_552 },
      { $0.advertDeadline = 0 }, { $0.auxiliaryLayout = [] }, { $0.auxiliaryLayout = [.one, .one] },
      { $0.gamma = .init(1, 0) }, { $0.learningRate = .nan },
    ]
    for (number, change) in changes.enumerated() {
      var configuration = full
      change(&configuration)
      #expect(throws: Refusal.fieldValue, "change \(number)") {
        try RoundConfiguration(canonicalBytes: configuration.canonicalBytes)
      }
    }
  }

  @Test("Cut short anywhere before its optional last fields, it is refused")
  func truncation() {
    var configuration = full
    configuration.momentum = nil
    configuration.weightDecay = nil
    configuration.proximal = nil
    configuration.trainer = nil
    let bytes = configuration.canonicalBytes
    for count in 0..<bytes.count {
      #expect(throws: Refusal.self) { try RoundConfiguration(canonicalBytes: Array(bytes.prefix(count))) }
    }
  }

  @Test("Half a privacy block is a missing field")
  func privacyBlock() throws {
    let bytes = full.canonicalBytes
    // Field 65, the last of the block: u16 number, u8 type, u32 length, u64 value.
    let start = try #require((0..<bytes.count - 15).first { Array(bytes[$0..<$0 + 3]) == [65, 0, 1] })
    #expect(throws: Refusal.missingField) {
      try RoundConfiguration(canonicalBytes: Array(bytes[..<start] + bytes[(start + 15)...]))
    }
  }
}
