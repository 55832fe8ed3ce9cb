import ClusterConfiguration
import Glibc
import ModelRegistry
import Testing

@testable import ClusterRuntime

@Suite("What all processes share", .timeLimit(.minutes(1)))
struct ProcessTests {
  @Test("A process is asked to end by its parent's end, not by bytes from it")
  func parentEnds() async throws {
    let pipe = try TestPipe()
    let waiting = Task { await ShutdownSignal.wait(parentPipe: pipe.reading, signals: []) }
    pipe.write()
    pipe.closeWritingEnd()
    #expect(await waiting.value == .parentEnded)
  }

  @Test("A wait for the end ends with its task")
  func cancelled() async throws {
    let pipe = try TestPipe()
    let waiting = Task { await ShutdownSignal.wait(parentPipe: pipe.reading, signals: []) }
    waiting.cancel()
    #expect(await waiting.value == .cancelled)
  }

  @Test("A signal ends every wait for it, also one that begins later; the system's own handling returns")
  func signal() async throws {
    ShutdownSignal.listen(for: [SIGUSR2])
    kill(getpid(), SIGUSR2)
    for _ in 0..<2 {
      #expect(await ShutdownSignal.wait(parentPipe: nil, signals: [SIGUSR2]) == .signal(SIGUSR2))
    }
    var now = sigaction()
    sigaction(SIGUSR2, nil, &now)
    #expect(now.__sigaction_handler.sa_handler == nil)
  }

  @Test("Endpoints are written and read back; any of them may be missing")
  func endpoints() throws {
    let federation = try TestFederation()
    let path = federation.root + "/new/endpoints.yaml"
    let file = EndpointsFile(
      control: "tcp://127.0.0.1:1", pull: "ipc:///run/pull.sock", http: "https://127.0.0.1:8443", grpc: "127.0.0.1:8001"
    )
    try file.write(path: path)
    #expect(try EndpointsFile.load(path: path) == file)
    let merged = file.overriding(Endpoints())
    #expect(merged.control == "tcp://127.0.0.1:1")
    #expect(merged.pull == "ipc:///run/pull.sock")
    #expect(merged.bulk == Endpoints().bulk)
  }

  @Test(
    "An endpoints file that is wrong is refused with its line and key",
    arguments: [
      ("pul: tcp://127.0.0.1:1", 1, "pul"), ("state: 7", 1, "state"),
      ("state: tcp://h:1\ncontrol: tcp://127.0.0.1:*", 2, "control"), ("pull: tcp://127.0.0.1:99999", 1, "pull"),
    ])
  func badEndpoints(_ text: String, _ line: Int, _ key: String) throws {
    let federation = try TestFederation()
    let path = federation.root + "/endpoints.yaml"
    try DurableFile.write(Array(text.utf8), to: path)
    #expect {
      try EndpointsFile.load(path: path)
    } throws: {
      guard let error = $0 as? ConfigurationError else { return false }
      return error.file == path && error.line == line && error.key == key
    }
  }

  @Test("Every life of the publisher has a greater epoch, whatever the clock says")
  func epochs() throws {
    let federation = try TestFederation()
    let first = try PublisherEpoch.begin(stateDirectory: federation.root)
    #expect(try PublisherEpoch.begin(stateDirectory: federation.root) > first)
    try DurableFile.write(Array("99999999999\n".utf8), to: federation.root + "/publisher-epoch")
    #expect(try PublisherEpoch.begin(stateDirectory: federation.root) == 100_000_000_000)
    try DurableFile.write(Array("many\n".utf8), to: federation.root + "/publisher-epoch")
    #expect(throws: FileError.self) { try PublisherEpoch.begin(stateDirectory: federation.root) }
  }
}
