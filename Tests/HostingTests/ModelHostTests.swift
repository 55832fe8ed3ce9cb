import Federation
import Hosting
import Inference
import ModelRegistry
import Serving
import Testing

@Suite("Versions that answer")
struct ModelHostTests {
  private let host = TestModels.host()

  private func kind(_ version: String?, model: String = "m") -> InferenceError.Kind? {
    do throws(InferenceError) {
      _ = try host.find(model, version: version)
      return nil
    } catch {
      return error.kind
    }
  }

  @Test("A request names a version by number or alias, or takes the default alias")
  func selection() throws {
    let one = try TestModels.serve(1, on: host), two = try TestModels.serve(2, on: host)
    #expect(kind(nil) == .notReady, "no alias points anywhere yet")
    host.point(.latest, at: one)
    #expect(try host.find("m", version: nil).name == one)
    host.point(.latest, at: two)
    #expect(try host.find("m", version: "latest").name == two)
    #expect(try host.find("m", version: "1").name == one)
    #expect(kind("3") == .notFound)
    #expect(kind("champion") == .notFound)
    #expect(kind(nil, model: "other") == .notFound)
  }

  @Test("What is on its way or bad is known by name, and why")
  func absent() throws {
    host.note(VersionName("m", 4), .loading)
    #expect(kind("4") == .notReady)
    host.note(VersionName("m", 4), .unavailable("its bytes are bad"))
    #expect(host.listings.map(\.state) == [.unavailable("its bytes are bad")])
    try TestModels.serve(4, on: host)
    #expect(host.listings.map(\.state) == [.ready])
  }

  @Test("A version that does not fit beside what is loaded is refused, and what is loaded goes on")
  func memory() throws {
    let small = TestModels.host(memory: try TestModels.memoryOfOne * 3 / 2)
    let name = try TestModels.serve(1, on: small)
    #expect {
      try TestModels.serve(2, on: small)
    } throws: { error in
      guard case .memory(let needed, let free)? = error as? HostingError else { return false }
      return needed > free
    }
    #expect(try small.find("m", version: "1").name == name)
    small.remove(name)
    #expect(throws: Never.self) { try TestModels.serve(2, on: small) }
  }

  @Test("A version that comes again while it is still held takes its place, and both have their memory")
  func again() throws {
    let room = TestModels.host(memory: try TestModels.memoryOfOne * 5 / 2)
    let ended = Flag()
    try TestModels.serve(1, on: room) { ended.raise() }
    let held = try room.find("m", version: "1")
    try TestModels.serve(1, on: room)
    #expect(throws: HostingError.self) { try TestModels.serve(2, on: room) }
    #expect(!ended.isRaised)
    withExtendedLifetime(held) {}
  }

  @Test("A model with a parameter that is not a number is no model, and holds no memory")
  func notFinite() throws {
    let (manifest, artifact) = try TestModels.version(1) { $0 == 3 ? .nan : 0 }
    let small = TestModels.host(memory: try TestModels.memoryOfOne * 3 / 2)
    #expect(throws: HostingError.model("a parameter is not finite")) {
      _ = try small.load(artifact, manifest: manifest, digest: manifest.modelDigest) {}
    }
    #expect(throws: Never.self) { try TestModels.serve(2, on: small) }
  }

  @Test("An administrator takes a model out of service and back")
  func withheld() throws {
    host.point(.latest, at: try TestModels.serve(1, on: host))
    #expect(host.withhold("m", true))
    #expect(kind(nil) == .notReady)
    #expect(host.listings.map(\.state) == [.unavailable("was unloaded by an administrator")])
    #expect(host.withhold("m", false))
    #expect(kind(nil) == nil)
    #expect(!host.withhold("other", true))
  }

  @Test("Features are divided by the scale that the model was trained with")
  func scale() throws {
    let (manifest, artifact) = try TestModels.version(1, scale: 16)
    let model = try host.load(artifact, manifest: manifest, digest: manifest.modelDigest) {}
    #expect(try model.features(of: TestModels.request([[16, 8, 4]])).values == [1, 0.5, 0.25])
  }

  @Test(
    "Rows that are no examples of the model are refused",
    arguments: [[[1, 2]], [[Float.nan, 1, 2]], [[Float.infinity, 1, 2]], []] as [[[Float]]])
  func badRows(_ rows: [[Float]]) throws {
    try TestModels.serve(1, on: host)
    let model = try host.find("m", version: "1")
    #expect(throws: InferenceError.self) { try model.features(of: TestModels.request(rows)) }
  }

  @Test("Tokens are whole numbers of the vocabulary")
  func tokens() throws {
    let text = "tokens 2 of 5 > embedding 3 > lstm 4 > last-step > dense 2"
    let (manifest, artifact) = try TestModels.version(1, architecture: text)
    let model = try host.load(artifact, manifest: manifest, digest: manifest.modelDigest) {}
    #expect(try model.features(of: TestModels.request([[0, 4]])).rows == 1)
    for bad in [[0, 5], [-1, 0], [0.5, 1]] as [[Float]] {
      #expect(throws: InferenceError.self) { try model.features(of: TestModels.request([bad])) }
    }
  }
}
