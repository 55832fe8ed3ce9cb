/// The series of a family with one label whose values are the cases of an enumeration: all there from the beginning, as 0.
package struct CaseSeries<Case, Instrument>: Sendable
where Case: CaseIterable & Equatable & RawRepresentable<String> & Sendable, Instrument: MetricInstrument {
  private let cases: [Case]
  private let series: [Instrument]

  /// - Parameter make: the series of a label value.
  init(_ make: (String) -> Instrument) {
    cases = Array(Case.allCases)
    series = cases.map { make($0.rawValue) }
  }

  package subscript(_ wanted: Case) -> Instrument {
    for (i, known) in cases.enumerated() where known == wanted { return series[i] }
    preconditionFailure("'allCases' has every case")
  }
}
