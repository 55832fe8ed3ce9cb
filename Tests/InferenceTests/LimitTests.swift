import Testing

@testable import Inference

@Suite("Limits of a request")
struct LimitTests {
  private static let body =
    #"{"id":"four","inputs":[{"name":"x","shape":[2,4],"datatype":"FP32","data":[1,2,3,4,5,6,7,8]}]}"#

  private static func refusal(_ body: String = body, _ change: (inout InferenceLimits) -> Void) -> InferenceError? {
    var limits = InferenceLimits()
    change(&limits)
    do throws(InferenceError) {
      _ = try Samples.decode(body, Samples.classifier, limits)
      return nil
    } catch {
      return error
    }
  }

  @Test("A request at its limits is taken, and one beyond them is not")
  func limits() {
    let count = Self.body.utf8.count
    #expect(Self.refusal { $0.bodyBytesMax = count } == nil)
    #expect(Self.refusal { $0.bodyBytesMax = count - 1 }?.kind == .tooLarge)
    #expect(Self.refusal { $0.elementCountMax = 8 } == nil)
    #expect(Self.refusal { $0.elementCountMax = 7 }?.kind == .tooLarge)
    #expect(Self.refusal { $0.tensorCountMax = 1 } == nil)
    #expect(Self.refusal { $0.tensorCountMax = 0 }?.kind == .tooLarge)
    #expect(Self.refusal { $0.rankMax = 2 } == nil)
    #expect(Self.refusal { $0.rankMax = 1 }?.kind == .invalid)
    #expect(Self.refusal { $0.idBytesMax = 4 } == nil)
    #expect(Self.refusal { $0.idBytesMax = 3 }?.message == "found an id of 4 bytes, expected at most 3")
    #expect(Self.refusal { $0.nameBytesMax = 4 } == nil)
    #expect(
      Self.refusal { $0.nameBytesMax = 0 }?.message == "found the name of an input of 1 bytes, expected at most 0")
    #expect(Self.refusal { $0.depthMax = 4 } == nil)
    #expect(Self.refusal { $0.depthMax = 3 }?.kind == .invalid)
  }

  @Test("The defaults let a shape of the largest rank through, nested")
  func defaults() throws {
    let limits = InferenceLimits()
    let shape = [Int](repeating: 1, count: limits.rankMax)
    let data = String(repeating: "[", count: limits.rankMax) + "1" + String(repeating: "]", count: limits.rankMax)
    // Before `shape`, so that it is skipped first as a value that nobody knows.
    let body = #"{"inputs":[{"data":\#(data),"name":"x","shape":\#(shape),"datatype":"FP32"}]}"#
    #expect(try Samples.decode(body, Samples.signature(.fp32, shape)).inputs[0].content == .floats([1]))
  }

  @Test(
    "A shape alone takes no memory",
    arguments: [
      "[9223372036854775807,4]", "[4611686018427387904,4]", "[3037000500,3037000500]", "[1048577,4]",
      "[9223372036854775807,9223372036854775807,0]",
    ])
  func hugeShapes(shape: String) {
    for rest in ["\"data\":[1]", "\"data\":[]", "\"parameters\":{\"binary_data_size\":9223372036854775807}"] {
      let json = #"{"inputs":[{"name":"x","shape":\#(shape),"datatype":"FP32",\#(rest)}]}"#
      let error = #expect(throws: InferenceError.self) { try Samples.decode(json, binary: []) }
      #expect(error?.kind == .tooLarge, "\(error?.message ?? "")")
    }
  }

  @Test("All inputs together have as many elements as the limit says")
  func together() {
    func body(_ rows: Int) -> String {
      let inputs = ["INPUT0", "INPUT1"].map { name in
        let data = Array(repeating: "1", count: rows * 2).joined(separator: ",")
        return #"{"name":"\#(name)","shape":[\#(rows),2],"datatype":"INT32","data":[\#(data)]}"#
      }
      return "{\"inputs\":[\(inputs.joined(separator: ","))]}"
    }
    var limits = InferenceLimits()
    limits.elementCountMax = 12
    #expect(throws: Never.self) { try Samples.decode(body(3), Samples.simple, limits) }
    let error = #expect(throws: InferenceError.self) { try Samples.decode(body(4), Samples.simple, limits) }
    #expect(error?.kind == .tooLarge)
  }
}
