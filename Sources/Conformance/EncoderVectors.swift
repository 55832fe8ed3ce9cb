import Cryptography
import Federation
import SecureAggregation

/// Updates into integers and their sum back into an average.
enum EncoderVectors {
  static func check(_ item: VectorValue, _ salt: String, _ checker: inout Checker) throws(ConformanceError) {
    let length = try item["length"].int(in: 1...(1 << 24))
    let ringBits = try item["ringBits"].int(in: 1...64)
    let isRotated = try item["rotation"].flag
    let title =
      "length \(length), k = \(ringBits)\(isRotated ? ", rotated" : "")\(try item["zero"].flag ? ", zero" : "")"
    var named = Checker(name: title)
    try check(item, length, ringBits, isRotated, salt, &named)
    checker.take(named)
  }

  private static func check(
    _ item: VectorValue, _ length: Int, _ ringBits: Int, _ isRotated: Bool, _ salt: String, _ checker: inout Checker
  ) throws(ConformanceError) {
    let transcript = try item["transcript"].digest
    let count = try item["rosterCount"].int(in: 1...10_000)
    let clip = try item["clip"].double
    let maximumWeight = try item["maximumWeight"].bits
    let rangeFailure = try item["rangeFailure"].double
    let made = checker.accepted("range") { () throws(Refusal) in
      try EncodingRules(
        vectorLength: length, ringBits: ringBits, rosterCount: count, isRotated: isRotated, clip: clip,
        maximumWeight: maximumWeight, rangeFailure: rangeFailure)
    }
    guard let rules = made else { return }
    try checker.integer(item["valueBits"], rules.valueBits)
    try checker.integer(item["bound"], rules.bound)
    try checker.number(item["range"], rules.range, tolerance: 0)
    try checker.number(item["step"], rules.step, tolerance: 0)
    for (pass, head) in try item["signHeads"].items.enumerated() {
      let found = Rotation.signBytes(transcript: transcript, pass: UInt8(pass), count: try head.bytes.count)
      try checker.bytes(head, found)
    }
    let tolerance = try item["tolerance"].int64
    let isZero = try item["zero"].flag
    var sum = [Int64](repeating: 0, count: length)
    var exact = [Double](repeating: 0, count: length)
    var weight: UInt64 = 0
    var isExactKnown = true
    for (index, worker) in try item["workers"].items.enumerated() {
      let listed = try worker["quantised"].int64s
      guard listed.count == length else { throw try worker["quantised"].malformed("expected \(length) elements") }
      for e in sum.indices { sum[e] &+= listed[e] }
      let capped = min(try worker["weight"].bits, maximumWeight)
      weight += capped
      let exponent = try worker["exponent"].int(in: -126...127)
      let update =
        isZero
        ? [Float](repeating: 0, count: length)
        : KnownAnswerRule(salt: salt).floats("x", index, count: length, exponent: exponent)
      try checker.bytes(
        worker["roundingKey"],
        UpdateEncoder.roundingKey(transcript: transcript, seed: try worker["seed"].secret))
      guard try isMadeByRule(worker, update) else {
        isExactKnown = false
        checker.leaveUnchecked()
        continue
      }
      try checker.bytes(worker["inputDigest"], Digest.sha256(of: update.wireBytes))
      try checkWorker(worker, update, rules, transcript, tolerance, &checker)
      let factor = try worker["clipped"].flag ? clip / (try worker["norm"].double) : 1
      for e in exact.indices { exact[e] += Double(update[e]) * factor * Double(capped) }
    }
    try checker.integers(item["sum"], sum)
    try checker.integer(item["weightSum"], Int64(clamping: weight))
    try checker.number(item["expectedErrorBound"], rules.expectedError(weight: weight), tolerance: 0)
    let average = checker.accepted("average") { () throws(Refusal) in
      try UpdateDecoder.average(sum, weight: weight, rules: rules, transcript: transcript)
    }
    guard let average else { return }
    try checker.numbers(item["averageHead"], Array(average.prefix(try item["averageHead"].items.count)))
    guard isExactKnown, weight > 0 else { return }
    let error = zip(average, exact).reduce(0.0) { total, pair in
      let difference = pair.0 - pair.1 / Double(weight)
      return total + difference * difference
    }.squareRoot()
    try checker.number(item["averageError"], error)
  }

  /// Whether the file states the first elements that the rule gives: otherwise it was made with another salt, and nobody
  /// can know the input.
  private static func isMadeByRule(_ worker: VectorValue, _ update: [Float]) throws(ConformanceError) -> Bool {
    for (listed, value) in zip(try worker["inputHead"].items, update) where try listed.double != Double(value) {
      return false
    }
    return true
  }

  private static func checkWorker(
    _ worker: VectorValue, _ update: [Float], _ rules: EncodingRules, _ transcript: Digest, _ tolerance: Int64,
    _ checker: inout Checker
  ) throws(ConformanceError) {
    try checker.numbers(
      worker["inputHead"], update.prefix(try worker["inputHead"].items.count).map { Double($0) })
    let exampleCount = try worker["weight"].bits
    let seed = try worker["seed"].secret
    let made = checker.accepted(worker.path) { () throws(Refusal) in
      try UpdateEncoder(
        update: update, exampleCount: exampleCount, rules: rules, transcript: transcript, roundingSeed: seed)
    }
    guard let encoder = made else { return }
    try checker.number(worker["norm"], encoder.norm)
    try checker.flag(worker["clipped"], encoder.isClipped)
    try checker.number(worker["factor"], encoder.factor)
    try checker.integer(worker["saturated"], encoder.saturated)
    try checker.integer(worker["normBin"], AuxiliaryVector.normBin(encoder.norm, clip: rules.clip))
    let head = try worker["scaledHead"]
    try checker.numbers(head, (0..<(try head.items.count)).map { encoder.scaledValue(at: $0) })
    let integers = encoder.encode(0..<encoder.count)
    try checker.integers(worker["quantised"], integers, tolerance: tolerance)
    let middle = encoder.count / 3
    checker.holds(
      worker.path + ".quantised", "a part made alone is that part of the whole",
      encoder.encode(middle..<encoder.count) == Array(integers[middle...]))
    let largest = try worker["quantised"].int64s.map(\.magnitude).max() ?? 0
    try checker.integer(worker["toleranceFloat32"], 1 + Int((largest + (1 << 20) - 1) >> 20))
  }
}
