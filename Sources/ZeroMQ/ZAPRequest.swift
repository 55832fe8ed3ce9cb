/// Why a peer was not let in.
package enum ZAPRefusal: String, Error, CaseIterable {
  /// Not the frames of a request, or a key that is not 32 bytes. The peer is not at fault: libzmq writes requests.
  case malformedRequest
  case unsupportedVersion
  /// The server socket's domain is none that this authenticator keeps.
  case unknownDomain
  /// The peer does not speak CURVE.
  case wrongMechanism
  /// The key is not in the domain.
  case unknownKey
}

/// The question whether a peer may come in, as libzmq asks it (RFC 27).
struct ZAPRequest: Equatable {
  static let version = Array("1.0".utf8)

  let requestID: [UInt8]
  let domain: String
  /// The peer's IP address.
  let address: String
  let mechanism: String
  let credentials: [[UInt8]]

  /// Reads the frames after the empty delimiter: version, request id, domain, address, identity, mechanism, then
  /// credentials, whose number depends on the mechanism (NULL has none, CURVE the key).
  init(frames: [[UInt8]]) throws(ZAPRefusal) {
    guard frames.count >= 6, frames[1].count <= 255 else { throw .malformedRequest }
    guard frames[0] == Self.version else { throw .unsupportedVersion }
    requestID = frames[1]
    domain = String(decoding: frames[2], as: UTF8.self)
    address = plainAddress(String(decoding: frames[3], as: UTF8.self))
    mechanism = String(decoding: frames[5], as: UTF8.self)
    credentials = Array(frames[6...])
  }

  /// The name of the peer whose key this is, in a table of domains.
  func userID(in table: [ZAPDomain: [CurvePublicKey: String]]) throws(ZAPRefusal) -> String {
    guard let keys = table[ZAPDomain(rawValue: domain)] else { throw .unknownDomain }
    guard mechanism == "CURVE" else { throw .wrongMechanism }
    guard let publicKey else { throw .malformedRequest }
    guard let userID = keys[publicKey] else { throw .unknownKey }
    return userID
  }

  /// The peer's key, if it speaks CURVE. Its possession is proven: libzmq asks after it has opened the peer's box.
  var publicKey: CurvePublicKey? {
    guard mechanism == "CURVE", credentials.count == 1 else { return nil }
    return CurvePublicKey(bytes: credentials[0])
  }

  /// The frames of the answer, after the empty delimiter.
  static func reply(to requestID: [UInt8], status: String, text: String, userID: String = "") -> [Frame] {
    [Frame(copying: version), Frame(copying: requestID), Frame(status), Frame(text), Frame(userID), Frame()]
  }
}
