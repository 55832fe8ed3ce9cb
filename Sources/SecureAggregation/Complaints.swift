/// A helper's word that a dealer's share was missing or wrong.
package struct Complaint: Hashable, Sendable {
  package let dealer: Int
  package let complainer: Int

  package init(dealer: Int, complainer: Int) {
    self.dealer = dealer
    self.complainer = complainer
  }
}

package enum Complaints {
  /// Who is left out of U2 (ruling A3).
  ///
  /// Whoever stands in more than `bound` complaints as dealer, or in more than `bound` as complainer, is removed and those
  /// complaints are struck: so many neighbours cannot all be corrupt. Of each remaining one both are removed.
  ///
  /// - Parameter bound: n_C on the complete graph, c on a sparse one (`MaskingGraph.complaintBound`).
  package static func settle(_ complaints: Set<Complaint>, bound: Int) -> Set<Int> {
    let convicted = convicted(by: complaints, bound: bound)
    return complaints.reduce(into: convicted) { removed, complaint in
      guard !convicted.contains(complaint.dealer), !convicted.contains(complaint.complainer) else { return }
      removed.insert(complaint.dealer)
      removed.insert(complaint.complainer)
    }
  }

  /// Who is proven wrong: all who are removed but are not among these stand in a dispute in which one of two lies.
  package static func convicted(by complaints: Set<Complaint>, bound: Int) -> Set<Int> {
    func above(_ side: KeyPath<Complaint, Int>) -> Set<Int> {
      let counts = complaints.reduce(into: [Int: Int]()) { $0[$1[keyPath: side], default: 0] += 1 }
      return Set(counts.filter { $0.value > bound }.keys)
    }
    return above(\.dealer).union(above(\.complainer))
  }
}
