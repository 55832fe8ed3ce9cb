import Federation

extension UnmaskShares {
  /// M9 as bytes. It is not signed: the link names the sender, and every share is checked against the commitment in its
  /// dealer's signed bundle.
  package var canonicalBytes: [UInt8] {
    var out = CanonicalBytes(label: "unmask")
    out.append(transcript)
    out.append(UInt32(helper))
    for entries in [selfMaskShares, maskKeyShares] {
      out.append(UInt32(entries.count))
      for entry in entries {
        out.append(UInt32(entry.owner))
        out.append(raw: entry.share)
      }
    }
    return out.bytes
  }
}
