import SecretProbe
import Testing

@Suite("The heap of secrets")
struct SecretHeapTests {
  /// By the arithmetic of csecretmemory.c: an empty slab of each of 15 classes in each of 4 arenas, and 8 to spare.
  private static let keptBytesMax = (15 * 4 + 8) * 32_768

  @Test("Blocks of all sizes are aligned, zero, apart from each other, and given back, whichever thread frees them")
  func underLoad() throws {
    let ending = try ProbeProcess("heap").end()
    var values: [String: String] = [:]
    for line in ending.lines {
      let words = line.split(separator: " ").map(String.init)
      values[words[0]] = words[1]
    }
    let number = { (name: String) throws in try #require(values[name].flatMap { Int($0) }, "\(ending)") }
    #expect(try number("wrong") == 0)
    #expect(try number("used") > 300)
    #expect(try number("left") == 0)
    #expect(try (0...Self.keptBytesMax).contains(number("kept")))
    #expect(values["openssl"] == "true")
    #expect(ending.code == 0)
  }
}
