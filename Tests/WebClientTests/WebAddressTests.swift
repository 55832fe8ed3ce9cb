import Testing

import WebClient

@Suite("Addresses of HTTP interfaces")
struct WebAddressTests {
  @Test(
    "An address says whether it is encrypted and whether it stays on this machine",
    arguments: [
      ("https://models.example", true, false), ("https://models.example:8443/site/", true, false),
      ("http://127.0.0.1:8080", false, true), ("http://127.8.9.10", false, true), ("http://localhost:1", false, true),
      ("http://[::1]:8080", false, true), ("HTTP://models.example", false, false),
      ("http://127.0.0.1.example", false, false), ("http://127.0.0", false, false), ("http://10.0.0.1", false, false),
    ])
  func reads(text: String, isEncrypted: Bool, isLoopback: Bool) throws {
    let address = try #require(WebAddress(text))
    #expect(address.isEncrypted == isEncrypted)
    #expect(address.isLoopback == isLoopback)
  }

  @Test(
    "What is no such address is refused",
    arguments: [
      "", "https://", "ftp://models.example", "tcp://127.0.0.1:7704", "models.example", "https://me@models.example",
      "https://me:secret@models.example", "https://models.example/?a=1", "https://models.example/#a",
      "https://models.example/a b", "https://" + String(repeating: "a", count: WebAddress.byteCountMax),
    ])
  func refuses(text: String) { #expect(WebAddress(text) == nil) }

  @Test("Parts of a path cannot leave the path")
  func encodes() throws {
    let address = try #require(WebAddress("https://models.example/site/"))
    #expect(address.appending("v1", "models") == "https://models.example/site/v1/models")
    #expect(address.appending("a/../b?c#d e") == "https://models.example/site/a%2F..%2Fb%3Fc%23d%20e")
    #expect(address.appending("sha256:0f") == "https://models.example/site/sha256:0f")
  }
}
