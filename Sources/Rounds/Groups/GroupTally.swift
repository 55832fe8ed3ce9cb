/// How many groups of a divided cohort an attempt is made of.
package struct GroupTally: Hashable, Sendable {
  /// Groups that the cohort was divided into.
  package let count: Int
  /// Those that were not left out.
  package let summed: Int
  /// Why the others were, for people; empty if there are none.
  package let leftOut: String

  package init(count: Int, summed: Int, leftOut: String) {
    self.count = count
    self.summed = summed
    self.leftOut = leftOut
  }
}
