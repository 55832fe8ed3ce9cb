import Foundation
import WebClient

/// One file over HTTP, written as it comes and named only when it is complete and right.
///
/// What came before a download failed or was interrupted stays, and the next one asks for the rest only (RFC 9110, 14.2); the
/// digest is that of the whole file either way. What turns out to be wrong is forgotten.
package struct Download: Sendable {
  /// Time without a byte after which it gives up.
  package var patience = Duration.seconds(30)
  /// Time for the whole file.
  package var limit = Duration.seconds(3600)

  package init() {}

  /// Fetches a file from the first place that has it.
  ///
  /// - Parameters:
  ///   - places: addresses of folders, `http` or `https`.
  ///   - progress: gets the bytes so far.
  /// - Throws: `DataSourceError` of the last place; only one that cannot be reached or refuses leads to the next.
  package func run(
    _ file: DataSource.File, from places: [String], to path: String, progress: (Int) -> Void
  ) async throws(DataSourceError) {
    var last = DataSourceError.badAddress("")
    for place in places {
      do throws(DataSourceError) {
        return try await run(file, from: Self.address(of: file, at: place), to: path, progress: progress)
      } catch {
        last = error
        switch error {
        case .unreachable, .refused, .silent: continue
        case .truncated, .tooLong, .wrongDigest, .tooSlow, .badAddress, .occupied, .missing, .wrongLength, .file,
          .busy, .cancelled:
          throw error
        }
      }
    }
    throw last
  }

  private static func address(of file: DataSource.File, at place: String) throws(DataSourceError) -> URL {
    guard let url = URL(string: place.hasSuffix("/") ? place + file.name : "\(place)/\(file.name)"),
      url.scheme == "https" || url.scheme == "http", url.host?.isEmpty == false
    else { throw .badAddress(place) }
    return url
  }

  private func run(
    _ file: DataSource.File, from url: URL, to path: String, progress: (Int) -> Void
  ) async throws(DataSourceError) {
    let text = url.absoluteString
    let target = try VerifiedFile(file, from: text, to: path, resuming: true)
    let begin = ContinuousClock.now
    guard target.byteCount > 0 else { return try await fetch(url, into: target, since: begin, progress: progress) }
    do throws(DataSourceError) {
      if target.isComplete { return try target.commit() }
      return try await fetch(url, into: target, since: begin, progress: progress)
    } catch {
      // The part may be of another file, or the place may not give the rest of one: once more, from the beginning.
      switch error {
      case .wrongDigest, .tooLong: break
      case .refused(_, let status) where status == 206 || status == 416: break
      default: throw error
      }
    }
    try target.restart()
    try await fetch(url, into: target, since: begin, progress: progress)
  }

  /// - Parameter target: what is there already is not asked for again.
  private func fetch(
    _ url: URL, into target: VerifiedFile, since begin: ContinuousClock.Instant, progress: (Int) -> Void
  ) async throws(DataSourceError) {
    let text = url.absoluteString
    let exchange: HTTPExchange
    do throws(HTTPFailure) {
      let range = target.byteCount > 0 ? ["Range": "bytes=\(target.byteCount)-"] : [:]
      exchange = try HTTPClient(patience: patience, redirects: .anywhere)
        .begin(HTTPRequest(.get, text, headers: range), byteCountMax: target.expectedByteCount)
    } catch {
      throw .badAddress(text)
    }
    defer { exchange.stop() }
    var receivedByteCount = 0
    for await event in exchange.events {
      switch event {
      case .answered(let head):
        let (status, range) = (head.status, head.headers["content-range"])
        if target.byteCount > 0, status == 206 {
          guard range?.hasPrefix("bytes \(target.byteCount)-") == true else { throw .refused(url: text, status: 206) }
        } else {
          guard status == 200 else { throw .refused(url: text, status: status) }
          if target.byteCount > 0 { try target.restart() }  // The place gives the whole file instead.
        }
      case .received(let bytes):
        try target.append(bytes)
        receivedByteCount += bytes.count
        progress(target.byteCount)
      case .ended(nil):
        return try target.commit()
      case .ended(.silent): throw .silent(url: text, seconds: patience / .seconds(1))
      case .ended(let failure?):
        let reason = if case .broken(_, let reason) = failure { reason } else { "\(failure)" }
        guard receivedByteCount > 0 else { throw .unreachable(url: text, reason: reason) }
        throw .truncated(url: text, found: target.byteCount, expected: target.expectedByteCount)
      case .tick(let now):
        guard now - begin < limit else { throw .tooSlow(url: text, seconds: limit / .seconds(1)) }
      }
    }
    throw .cancelled
  }
}
