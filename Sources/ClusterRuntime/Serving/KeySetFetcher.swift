import Access
import Glibc
import ModelRegistry
import WebClient

/// Why the keys of an issuer could not be fetched.
package enum KeySetFetchError: Error, Equatable, Sendable, CustomStringConvertible {
  case badAddress
  case refused(status: Int)
  case unreachable(reason: String)
  case tooLarge
  case silent(after: Duration)
  case cancelled
  case file(FileError)

  package var description: String {
    switch self {
    case .badAddress: "found an address that cannot be asked, expected one with https:// or http://"
    case .refused(let status): "found status \(status), expected 200"
    case .unreachable(let reason): "found no answer (\(reason)), expected a key set"
    case .tooLarge: "found more than \(KeySetLocation.byteCountMax) bytes, expected at most so many"
    case .silent(let duration): "found no whole answer after \(duration), expected one"
    case .cancelled: "the fetch was cancelled"
    case .file(let error): "\(error)"
    }
  }
}

/// Fetches the keys of issuers, over the web or from a file.
///
/// Nothing is sent along, kept, or shared between fetches: no cookies, no cache, no credentials. A redirect is followed
/// to the same scheme, host and port only; any other is an answer that is not a key set.
package struct KeySetFetcher: Sendable {
  /// Time for a whole fetch.
  package static let limitStandard = Duration.seconds(5)
  /// Most redirects that are followed.
  static let redirectsMax = 3

  private let limit: Duration

  package init(limit: Duration = limitStandard) { self.limit = limit }

  /// What stands at the place, at most `KeySetLocation.byteCountMax` bytes.
  package func fetch(_ location: KeySetLocation) async throws(KeySetFetchError) -> [UInt8] {
    switch location {
    case .file(let path):
      do throws(FileError) {
        return try DurableFile.read(path, byteCountMax: KeySetLocation.byteCountMax)
      } catch {
        throw error.code == EFBIG ? .tooLarge : .file(error)
      }
    case .web(let address): return try await fetch(address)
    }
  }

  private func fetch(_ address: String) async throws(KeySetFetchError) -> [UInt8] {
    let begun = ContinuousClock.now
    let exchange: HTTPExchange
    do throws(HTTPFailure) {
      let question = HTTPRequest(.get, address, headers: ["Accept": "application/json"])
      exchange = try HTTPClient(patience: limit, redirects: .sameServer(max: Self.redirectsMax))
        .begin(question, byteCountMax: KeySetLocation.byteCountMax)
    } catch {
      throw .badAddress
    }
    defer { exchange.stop() }
    var body: [UInt8] = []
    for await event in exchange.events {
      switch event {
      case .answered(let head): guard head.status == 200 else { throw .refused(status: head.status) }
      case .received(let bytes):
        guard bytes.count <= KeySetLocation.byteCountMax - body.count else { throw .tooLarge }
        body += bytes
      case .tick(let now): guard now - begun < limit else { throw .silent(after: limit) }
      case .ended(.silent): throw .silent(after: limit)
      case .ended(let failure?): throw .unreachable(reason: "\(failure)")
      case .ended(nil): return body
      }
    }
    throw .cancelled
  }
}
