import Observability
import Testing

@Suite("Trace context")
struct TraceContextTests {
  @Test("A traceparent is read and written as it came")
  func roundTrip() {
    let text = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    #expect(TraceContext(traceparent: text)?.traceparent == text)
  }

  @Test(
    "What W3C Trace Context forbids is no trace",
    arguments: [
      "", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
      "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
      "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
      "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
      "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
      "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
    ])
  func refused(_ text: String) { #expect(TraceContext(traceparent: text) == nil) }
}
