import Federation
import ModelRegistry

/// Each version follows from the one that the coordinator trained on, is signed by it, and is published once.
struct LineageChecker {
  private let membership: MembershipList
  private(set) var latest: StoredVersion?
  private var versions: [Digest: ModelVersion] = [:]

  init(membership: MembershipList) { self.membership = membership }

  /// - Returns: the claims that a new version breaks.
  mutating func published(_ stored: StoredVersion) -> [String] {
    var broken: [String] = []
    let manifest = stored.manifest
    do throws(VerificationError) {
      if try stored.signed.verify(membership: membership) != manifest {
        broken.append("the manifest differs when read")
      }
    } catch {
      broken.append("\(manifest.model)@\(manifest.version) does not verify: \(error)")
    }
    if let latest {
      let expected = latest.manifest.version.next
      if manifest.version != expected { broken.append("version \(manifest.version) is published, not \(expected)") }
      // A version that was taken back has no children.
      if manifest.parent.flatMap({ versions[$0] }) == nil {
        broken.append("version \(manifest.version) has a parent that was never published")
      }
      if manifest.round != latest.manifest.round.next {
        broken.append("version \(manifest.version) is of round \(manifest.round)")
      }
    } else if manifest.version != 0 || manifest.parent != nil {
      broken.append("the first version is \(manifest.version), or has a parent")
    }
    latest = stored
    versions[stored.digest] = manifest.version
    return broken
  }
}
