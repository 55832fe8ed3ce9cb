/// `POST /v2/repository/index`, of the extension `model_repository`: the models of a node and how they are.
package struct RepositoryIndex: Hashable, Sendable {
  package enum State: String, Hashable, Sendable, CaseIterable {
    case ready = "READY"
    case loading = "LOADING"
    case unloading = "UNLOADING"
    case unavailable = "UNAVAILABLE"
  }

  package struct Entry: Hashable, Sendable {
    package let name: String
    /// Nil where no version was ever there.
    package let version: String?
    package let state: State
    /// Why it is not ready; empty where there is nothing to say.
    package let reason: String

    package init(name: String, version: String?, state: State, reason: String = "") {
      self.name = name
      self.version = version
      self.state = state
      self.reason = reason
    }
  }

  package let entries: [Entry]

  package init(entries: [Entry]) { self.entries = entries }

  /// An array, not an object.
  package var json: [UInt8] {
    var writer = JSONWriter()
    writer.array(of: entries) { writer, entry in
      writer.object { writer in
        writer.member("name", entry.name)
        if let version = entry.version { writer.member("version", version) }
        writer.member("state", entry.state.rawValue)
        writer.member("reason", entry.reason)
      }
    }
    return writer.bytes
  }
}

/// The body of `POST /v2/repository/index`: `{"ready":bool?}`, or nothing at all.
package struct RepositoryIndexRequest: Hashable, Sendable {
  /// Whether only models that are ready are wanted.
  package let isReadyOnly: Bool

  private enum Member: String, CaseIterable { case ready }

  /// - Throws: `InferenceError`: `tooLarge` beyond `limits`, `invalid` for another body.
  package init(body: UnsafeRawBufferPointer, limits: InferenceLimits) throws(InferenceError) {
    guard body.count <= limits.bodyBytesMax else {
      throw InferenceError(.tooLarge, "found a body of \(body.count) bytes, expected at most \(limits.bodyBytesMax)")
    }
    var isReadyOnly = false
    var scanner = JSONScanner(body, depthMax: limits.depthMax)
    scanner.skipBlanks()
    if scanner.position < body.count {
      try scanner.members(of: Member.self) { (scanner, _) throws(InferenceError) in
        isReadyOnly = scanner.acceptNull() ? false : try scanner.bool()
      }
      try scanner.expectEnd()
    }
    self.isReadyOnly = isReadyOnly
  }
}
