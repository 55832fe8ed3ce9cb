import Inference
import Testing

@Suite("Element types")
struct DatatypeTests {
  @Test("Every type but BYTES has a size, and halves have no JSON form")
  func sizes() {
    #expect(TensorDatatype.allCases.filter { $0.byteCount == nil } == [.bytes])
    #expect(TensorDatatype.allCases.filter { !$0.hasJSONForm } == [.fp16, .bf16])
  }
}
