import Federation

@testable import Inference

/// Signatures and bodies that several tests share.
enum Samples {
  /// Of a classifier: rows of four features, three scores for each.
  static let classifier = ModelSignature(
    inputs: [TensorSpecification(name: "x", datatype: .fp32, shape: [-1, 4])],
    outputs: [TensorSpecification(name: "scores", datatype: .fp32, shape: [-1, 3])])

  /// One input of this type and shape.
  static func signature(_ datatype: TensorDatatype, _ shape: [Int]) -> ModelSignature {
    ModelSignature(
      inputs: [TensorSpecification(name: "x", datatype: datatype, shape: shape)],
      outputs: [
        TensorSpecification(name: "y", datatype: datatype, shape: shape),
        TensorSpecification(name: "z", datatype: .int64, shape: [-1]),
      ])
  }

  /// Two inputs and two outputs, as NVIDIA's fixture `simple` has.
  static let simple = ModelSignature(
    inputs: ["INPUT0", "INPUT1"].map { TensorSpecification(name: $0, datatype: .int32, shape: [-1, 2]) },
    outputs: ["OUTPUT0", "OUTPUT1"].map { TensorSpecification(name: $0, datatype: .int32, shape: [-1, 2]) })

  static func decode(
    _ body: [UInt8], header: Int? = nil, _ signature: ModelSignature = classifier,
    _ limits: InferenceLimits = InferenceLimits()
  ) throws(InferenceError) -> InferenceRequest {
    // Exactly as long as the body, so that a sanitizer sees every byte that is read behind it.
    let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: body.count, alignment: 1)
    defer { copy.deallocate() }
    copy.copyBytes(from: body)
    return try InferenceRequest(
      body: UnsafeRawBufferPointer(copy), headerByteCount: header, signature: signature, limits: limits)
  }

  static func decode(
    _ json: String, _ signature: ModelSignature = classifier, _ limits: InferenceLimits = InferenceLimits()
  ) throws(InferenceError) -> InferenceRequest {
    try decode(Array(json.utf8), signature, limits)
  }

  static func tensor(
    _ datatype: TensorDatatype, _ shape: [Int], binary: [UInt8]
  ) throws(InferenceError) -> InferenceTensor {
    try binary.withUnsafeBufferPointer { (buffer) throws(InferenceError) in
      try InferenceTensor(
        name: "x", datatype: datatype, shape: shape, binary: UnsafeRawBufferPointer(buffer), limits: InferenceLimits())
    }
  }

  static func response(_ body: [UInt8], header: Int? = nil) throws(InferenceError) -> InferenceResponse {
    try body.withUnsafeBufferPointer { (buffer) throws(InferenceError) in
      try InferenceResponse(
        body: UnsafeRawBufferPointer(buffer), headerByteCount: header, limits: InferenceLimits())
    }
  }

  /// A request of JSON and what follows it.
  static func decode(
    _ json: String, binary: [UInt8], _ signature: ModelSignature = classifier
  ) throws(InferenceError) -> InferenceRequest {
    try decode(Array(json.utf8) + binary, header: json.utf8.count, signature)
  }

  /// The content of the one input of `signature(datatype, shape)` that these data are.
  static func content(
    _ data: String, _ datatype: TensorDatatype = .fp32, _ shape: [Int]
  ) throws(InferenceError) -> InferenceTensor.Content {
    let json = #"{"inputs":[{"name":"x","shape":\#(shape),"datatype":"\#(datatype.rawValue)","data":\#(data)}]}"#
    return try decode(json, signature(datatype, shape)).inputs[0].content
  }

  static func floats(_ values: [Float]) -> InferenceTensor {
    InferenceTensor(name: "x", datatype: .fp32, shape: [values.count / 4, 4], content: .floats(values))
  }

  /// A tensor of random elements that JSON and the binary form both have, where the type has a JSON form.
  static func random(_ datatype: TensorDatatype, shape: [Int], using generator: inout SeededGenerator)
    -> InferenceTensor
  {
    let count = shape.reduce(1, *)
    func bytes(_ count: Int) -> [UInt8] { (0..<count).map { _ in UInt8.random(in: 0...255, using: &generator) } }
    func tensor(_ content: InferenceTensor.Content) -> InferenceTensor {
      InferenceTensor(name: "x", datatype: datatype, shape: shape, content: content)
    }
    switch datatype {
    case .fp32:
      return tensor(.floats((0..<count).map { _ in finite { Float(bitPattern: generator.next32()) } }))
    case .fp64:
      let values = (0..<count).map { _ in finite { Double(bitPattern: generator.next()) } }
      return tensor(.raw(values.flatMap { withUnsafeBytes(of: $0.bitPattern.littleEndian, Array.init) }))
    case .bool: return tensor(.raw(bytes(count).map { $0 & 1 }))
    case .bytes:
      let words = (0..<count).map { _ in
        Array(String(String.UnicodeScalarView((0..<Int(generator.next() % 9)).map { _ in scalar(&generator) })).utf8)
      }
      return InferenceTensor(name: "x", shape: shape, byteStrings: words)
    case .uint8, .uint16, .uint32, .uint64, .int8, .int16, .int32, .int64, .fp16, .bf16:
      return tensor(.raw(bytes(count * (datatype.byteCount ?? 0))))
    }
  }

  private static func finite<F: BinaryFloatingPoint>(_ draw: () -> F) -> F {
    while true {
      let value = draw()
      if value.isFinite { return value }
    }
  }

  private static func scalar(_ generator: inout SeededGenerator) -> Unicode.Scalar {
    let ranges: [ClosedRange<UInt32>] = [0...0x7F, 0x80...0x7FF, 0xE000...0xFFFF, 0x10000...0x10FFFF]
    let range = ranges[Int(generator.next() % 4)]
    return Unicode.Scalar(UInt32.random(in: range, using: &generator)) ?? "?"
  }
}

extension SeededGenerator {
  mutating func next32() -> UInt32 { UInt32(truncatingIfNeeded: next()) }
}
