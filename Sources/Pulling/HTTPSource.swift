import Cryptography
import Federation
import Foundation
import ModelRegistry
import SecureAggregation
import WebClient

/// A serving node's HTTP interface (Protocols/models.md, "Pull over HTTP").
///
/// Only the reference itself may be an alias: everything else is asked for by the manifest's digest, so that all of it is
/// of one version. Weights come in slices, which bounds what waits in memory for the disk.
package struct HTTPSource: PullSource {
  /// Bytes of one request for weights.
  package static let sliceByteCount: UInt64 = 32 << 20
  /// Answers of "not now" that are waited out, and how long each at most.
  static let busyAnswersMax = 3
  static let busyPauseMax = Duration.seconds(10)
  static let listingByteCountMax = 4 << 20
  /// Of what a server says about an error.
  private static let refusalByteCountMax = 65_536
  private static let refusalCharactersMax = 300

  private let address: WebAddress
  private let apiKey: String?
  private let client: HTTPClient
  private let sliceByteCount: UInt64

  /// - Parameters:
  ///   - apiKey: or a token; sent with every request.
  ///   - patience: time without a byte after which the source is given up.
  package init(_ address: WebAddress, apiKey: String?, patience: Duration) {
    self.init(address, apiKey: apiKey, patience: patience, sliceByteCount: Self.sliceByteCount)
  }

  init(_ address: WebAddress, apiKey: String?, patience: Duration, sliceByteCount: UInt64) {
    self.address = address
    self.apiKey = apiKey
    self.sliceByteCount = sliceByteCount
    client = HTTPClient(patience: patience, redirects: .none)
  }

  package var place: String { address.text }

  package func models() async throws(PullError) -> [OfferedVersion] {
    struct Row: Decodable {
      let name: String
      let version: UInt64
      let digest: String
      let aliases: [String]
    }
    let body = try await bytes(address.appending("v1", "models"), byteCountMax: Self.listingByteCountMax)
    guard let rows = try? JSONDecoder().decode([Row].self, from: Data(body)) else {
      throw PullError(.verificationFailed, "\(place): found something else, expected a list of versions in JSON")
    }
    var versions: [OfferedVersion] = []
    for row in rows {
      guard let model = ModelName(row.name), row.digest.hasPrefix("sha256:"),
        let digest = Digest(hex: String(row.digest.dropFirst(7)))
      else {
        throw PullError(.verificationFailed, "\(place): found a version with another name or digest than any has")
      }
      versions.append(
        OfferedVersion(
          model: model, version: ModelVersion(row.version), digest: digest,
          aliases: row.aliases.compactMap { Alias($0) }.sorted()))
    }
    return versions
  }

  package func resolve(_ reference: ModelReference) async throws(PullError) -> ResolvedVersion {
    let manifest = try await bytes(
      url(reference.model, Self.selector(reference.selector), PulledModel.manifestName),
      byteCountMax: Manifest.byteCountMax)
    let exact = "sha256:\(Digest.sha256(of: manifest))"
    let text = try await bytes(url(reference.model, exact, PulledModel.signatureName), byteCountMax: 1024)
    guard let signature = PulledModel.signature(text) else {
      throw PullError(.verificationFailed, "\(place): found no signature, expected 128 hexadecimal digits")
    }
    let attachments = try await attachments(of: reference.model, exact)
    do throws(ManifestError) {
      return ResolvedVersion(
        signed: SignedManifest(bytes: manifest, signature: signature, signer: try Manifest(bytes: manifest).signer),
        attachments: attachments)
    } catch {
      throw PullError(.verificationFailed, "\(place): \(error)")
    }
  }

  /// What lets foreign tools verify a version; nil if the node has no model signature.
  private func attachments(of model: ModelName, _ selector: String) async throws(PullError) -> ModelAttachments? {
    let bundle: [UInt8]
    do throws(PullError) {
      bundle = try await bytes(
        url(model, selector, VersionFile.modelSignature.name), byteCountMax: ModelSignature.bundleByteCountMax)
    } catch {
      guard error.kind == .notFound else { throw error }
      return nil
    }
    let pem = try await bytes(
      url(model, selector, VersionFile.signingKey.name), byteCountMax: 2 * ModelAttachments.keyByteCountMax)
    let digits = try await bytes(url(model, selector, VersionFile.endorsement.name), byteCountMax: 1024)
    guard let endorsement = PulledModel.signature(digits) else {
      throw PullError(.verificationFailed, "\(place): found no endorsement, expected 128 hexadecimal digits")
    }
    do throws(CryptographyError) {
      return ModelAttachments(bundle: bundle, key: try P256PublicKey(pem: pem).der, endorsement: endorsement)
    } catch {
      throw PullError(.verificationFailed, "\(place): found no key of a model signature, expected a P-256 key as PEM")
    }
  }

  package func fetch(
    _ manifest: Manifest, digest: Digest, from offset: UInt64,
    write: (UnsafeRawBufferPointer, UInt64) throws(PullError) -> Void
  ) async throws(PullError) {
    let url = url(manifest.model, "sha256:\(digest)", PulledModel.modelName)
    var position = offset
    while position < manifest.file.byteCount {
      let end = min(position + sliceByteCount, manifest.file.byteCount)
      try await fetch(url, of: manifest, position..<end) { bytes throws(PullError) in
        let start = position
        position += UInt64(bytes.count)
        try bytes.withUnsafeBufferPointer { buffer throws(PullError) in
          try write(UnsafeRawBufferPointer(buffer), start)
        }
      }
      guard position == end else {
        throw PullError(.network, "\(place): found an end after \(position) bytes, expected \(end)")
      }
    }
  }

  /// One slice of the weights.
  private func fetch(
    _ url: String, of manifest: Manifest, _ range: Range<UInt64>, receive: ([UInt8]) throws(PullError) -> Void
  ) async throws(PullError) {
    let total = manifest.file.byteCount
    let isWhole = range == 0..<total
    var headers: [String: String] = [:]
    if !isWhole {
      headers["Range"] = "bytes=\(range.lowerBound)-\(range.upperBound - 1)"
      headers["If-Range"] = "\"sha256-\(manifest.file.digest)\""
    }
    var left = UInt64(range.count)
    try await ask(url, headers, byteCountMax: range.count) { (head: HTTPHead) throws(PullError) in
      guard head.status == (isWhole ? 200 : 206) else {
        throw PullError(
          .verificationFailed,
          "\(url): found status \(head.status), expected bytes \(range.lowerBound) to \(range.upperBound)")
      }
      let expected = "bytes \(range.lowerBound)-\(range.upperBound - 1)/\(total)"
      guard isWhole || head.headers["content-range"] == expected else {
        throw PullError(
          .verificationFailed,
          "\(url): found content-range '\(Self.line(head.headers["content-range"] ?? ""))', expected '\(expected)'")
      }
    } receive: { bytes throws(PullError) in
      guard UInt64(bytes.count) <= left else {
        throw PullError(.verificationFailed, "\(url): found more than the \(range.count) bytes that were asked for")
      }
      left -= UInt64(bytes.count)
      try receive(bytes)
    }
  }

  // MARK: Requests

  private func url(_ model: ModelName, _ selector: String, _ name: String) -> String {
    address.appending("v1", "models", model.text, selector, name)
  }

  private static func selector(_ selector: ModelReference.Selector) -> String {
    switch selector {
    case .version(let version): "\(version)"
    case .alias(let alias): alias.text
    case .digest(let digest): "sha256:\(digest)"
    }
  }

  /// A small file.
  private func bytes(_ url: String, byteCountMax: Int) async throws(PullError) -> [UInt8] {
    var body: [UInt8] = []
    try await ask(url, [:], byteCountMax: byteCountMax) { head throws(PullError) in
      guard head.status == 200 else {
        throw PullError(.verificationFailed, "\(url): found status \(head.status), expected 200")
      }
    } receive: { piece throws(PullError) in
      guard piece.count <= byteCountMax - body.count else {
        throw PullError(.verificationFailed, "\(url): found more than \(byteCountMax) bytes")
      }
      body += piece
    }
    return body
  }

  /// Asks until there is an answer other than "not now".
  ///
  /// - Parameters:
  ///   - judge: refuses an answer of the 200s that is not what was asked for.
  ///   - receive: takes its body, piece by piece.
  private func ask(
    _ url: String, _ headers: [String: String], byteCountMax: Int, judge: (HTTPHead) throws(PullError) -> Void,
    receive: ([UInt8]) throws(PullError) -> Void
  ) async throws(PullError) {
    for _ in 0..<Self.busyAnswersMax {
      guard let pause = try await hasAnswered(url, headers, byteCountMax, judge, receive) else { return }
      do {
        try await Task.sleep(for: min(pause, Self.busyPauseMax))
      } catch {
        throw PullError(.interrupted, "interrupted")
      }
    }
    throw PullError(.network, "\(url): found 'not now' \(Self.busyAnswersMax) times, expected an answer")
  }

  /// - Returns: nil when the answer was taken; else how long the server wants to be left alone.
  private func hasAnswered(
    _ url: String, _ headers: [String: String], _ byteCountMax: Int, _ judge: (HTTPHead) throws(PullError) -> Void,
    _ receive: ([UInt8]) throws(PullError) -> Void
  ) async throws(PullError) -> Duration? {
    var headers = headers
    if let apiKey { headers["Authorization"] = "Bearer \(apiKey)" }
    let exchange: HTTPExchange
    do throws(HTTPFailure) {
      exchange = try client.begin(
        HTTPRequest(.get, url, headers: headers), byteCountMax: max(byteCountMax, Self.refusalByteCountMax))
    } catch {
      throw PullError(.usage, error.description)
    }
    defer { exchange.stop() }
    var refusal: (head: HTTPHead, body: [UInt8])?
    for await event in exchange.events {
      switch event {
      case .answered(let head):
        if (200..<300).contains(head.status) { try judge(head) } else { refusal = (head, []) }
      case .received(let bytes):
        if refusal == nil { try receive(bytes) } else { refusal?.body += bytes.prefix(Self.refusalByteCountMax) }
      case .tick: break
      case .ended(.cancelled): throw PullError(.interrupted, "interrupted")
      case .ended(let failure?): throw PullError(.network, failure.description)
      case .ended(nil):
        guard let refusal else { return nil }
        return try Self.pause(after: refusal.head, refusal.body, url)
      }
    }
    throw PullError(.interrupted, "interrupted")
  }

  /// What an answer outside the 200s means.
  ///
  /// - Returns: for "not now", how long the server wants to be left alone.
  private static func pause(after head: HTTPHead, _ body: [UInt8], _ url: String) throws(PullError) -> Duration {
    switch head.status {
    case 429, 503:
      return .seconds(head.headers["retry-after"].flatMap { UInt16($0) } ?? 1)
    case 401, 403: throw PullError(.notAuthorised, "\(url): found status \(head.status): \(reason(body))")
    case 404: throw PullError(.notFound, "\(url): found status 404: \(reason(body))")
    default: throw PullError(.network, "\(url): found status \(head.status): \(reason(body))")
    }
  }

  /// The server's own words, as one bounded line.
  private static func reason(_ body: [UInt8]) -> String {
    struct Refusal: Decodable { let error: String }
    guard let text = try? JSONDecoder().decode(Refusal.self, from: Data(body)).error else { return "no reason given" }
    return line(text)
  }

  private static func line(_ text: String) -> String {
    String(String.UnicodeScalarView(text.unicodeScalars.filter { $0.properties.generalCategory != .control }))
      .prefix(refusalCharactersMax).description
  }
}
