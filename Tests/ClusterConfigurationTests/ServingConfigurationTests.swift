import ClusterConfiguration
import Testing

@Suite("Where a serving node listens")
struct ServingConfigurationTests {
  private static func read(_ text: String) throws(ConfigurationError) -> ServingConfiguration {
    try ServingConfiguration.read(file(text, named: "serving/serving.yaml"))
  }

  @Test("HTTP and gRPC have the same keys, and a port each where they name none")
  func sections() throws {
    let plain = try Self.read("http: {}\ngrpc: {}")
    #expect(plain.http?.host == "127.0.0.1" && plain.http?.port == 8080)
    #expect(plain.grpc?.host == "127.0.0.1" && plain.grpc?.port == 8001)
    let found = try Self.read(
      """
      http: {}
      grpc: {bind: "[::]:9001", tls: {certificate: node.pem, key: node-key.pem}, body-max: 64 MiB, connections: 8}
      """)
    #expect(found.grpc?.host == "::" && found.grpc?.port == 9001)
    #expect(found.grpc?.tls?.certificate == "serving/node.pem")
    #expect(found.grpc?.bodyBytesMax == 64 << 20 && found.grpc?.connectionsMax == 8)
    #expect(try Self.read("http: {}").grpc == nil)
  }

  @Test(
    "What nobody could mean is refused with its line and key",
    arguments: [
      ("grpc: {bind: \"127.0.0.1:8001\"}", 1, "grpc"), ("http: {}\ngrpc: {bind: \"0.0.0.0:8001\"}", 2, "grpc.bind"),
      ("http: {}\ngrpc: {bind: 8001}", 2, "grpc.bind"), ("http: {}\ngrpc: {port: 8001}", 2, "grpc.port"),
      ("http: {}\ngrpc: {threads: 2}", 2, "grpc.threads"),
      ("http: {bind: \"node:80\"}", 1, "http.bind"),
    ])
  func refuses(text: String, line: Int, key: String) throws {
    let error = try #require(throws: ConfigurationError.self) { try Self.read(text) }
    #expect(error.line == line && error.key == key, "\(error)")
  }
}
