import Aggregation
import Federation
import SecureAggregation

/// What the sums of a cohort's groups are opened with, and how their means combine.
package struct GroupsOrder: Sendable {
  package struct Group: Sendable {
    /// From 0, in the order in which the cohort was divided.
    package let place: Int
    package let unmasking: UnmaskingOrder
    /// Of the group's own roster.
    package let rosterCount: Int

    /// Under which its inputs came.
    package var upload: Digest { unmasking.transcript }
  }

  /// Ascending by place; groups that were left out are missing.
  package let groups: [Group]
  package let rules: GroupRules
}

/// A group of a cohort that is not in the model that the others make.
package struct LeftOutGroup: Hashable, Sendable {
  /// From 0.
  package let place: Int
  package let reason: String

  package init(place: Int, reason: String) {
    self.place = place
    self.reason = reason
  }
}

extension LeftOutGroup: CustomStringConvertible {
  /// People count from 1.
  package var description: String { "group \(place + 1): \(reason)" }
}
