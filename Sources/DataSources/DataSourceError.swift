import ModelRegistry

/// Why a file of a data set did not get its name. At most a part of it is left then, from which a download goes on.
package enum DataSourceError: Error, Equatable, Sendable, CustomStringConvertible {
  /// No answer, or a connection that failed.
  case unreachable(url: String, reason: String)
  /// An answer other than the file, or the rest of it that was asked for.
  case refused(url: String, status: Int)
  /// The connection ended before the file did.
  case truncated(url: String, found: Int, expected: Int)
  /// More bytes than the file has; the rest was not asked for.
  case tooLong(place: String, expected: Int)
  case wrongDigest(place: String, found: String, expected: String)
  /// No byte for so long.
  case silent(url: String, seconds: Double)
  /// Bytes came, but not all of them in time.
  case tooSlow(url: String, seconds: Double)
  case badAddress(String)
  /// Something else stands under the file's name.
  case occupied(path: String, found: String, expected: String)
  /// The file to copy from is not there, or has another length.
  case missing(path: String)
  case wrongLength(path: String, found: Int, expected: Int)
  /// Another process fetches the file.
  case busy(path: String)
  case file(FileError)
  case cancelled

  package var description: String {
    switch self {
    case .unreachable(let url, let reason): "\(url): found no answer (\(reason)), expected the file"
    case .refused(let url, let status): "\(url): found status \(status), expected 200 and the file"
    case .truncated(let url, let found, let expected):
      "\(url): found an end after \(found) bytes, expected \(expected)"
    case .tooLong(let place, let expected): "\(place): found more bytes, expected \(expected)"
    case .wrongDigest(let place, let found, let expected):
      "\(place): found SHA-256 \(found), expected \(expected)"
    case .silent(let url, let seconds): "\(url): found no byte for \(seconds) s, expected the file"
    case .tooSlow(let url, let seconds): "\(url): found only a part within \(seconds) s, expected the file"
    case .badAddress(let text): "\(text): found no address of a folder, expected http://… or https://…"
    case .occupied(let path, let found, let expected):
      "\(path): found a file of SHA-256 \(found), expected none or one of \(expected); remove it to fetch the file"
    case .missing(let path): "\(path): found no such file, expected one to copy"
    case .wrongLength(let path, let found, let expected): "\(path): found \(found) bytes, expected \(expected)"
    case .busy(let path): "\(path): found another process writing it, expected none"
    case .file(let error): error.description
    case .cancelled: "interrupted"
    }
  }
}
