/// `GET /v2/models/{m}[/versions/{v}]/stats`, of the extension `statistics`: what one version has done since it was loaded.
package struct ModelStatistics: Hashable, Sendable {
  /// How often something happened, and how long it took in all.
  package struct Total: Hashable, Sendable {
    package var count: UInt64
    package var nanoseconds: UInt64

    package init(count: UInt64 = 0, nanoseconds: UInt64 = 0) {
      self.count = count
      self.nanoseconds = nanoseconds
    }
  }

  /// Batches of one size.
  package struct Batch: Hashable, Sendable {
    /// Rows.
    package let size: UInt64
    package let computeInput: Total
    package let computeInfer: Total
    package let computeOutput: Total

    package init(size: UInt64, computeInput: Total = Total(), computeInfer: Total, computeOutput: Total = Total()) {
      self.size = size
      self.computeInput = computeInput
      self.computeInfer = computeInfer
      self.computeOutput = computeOutput
    }
  }

  package let name: String
  package let version: String
  /// Of the last request, in milliseconds since 1970; 0 before the first.
  package var lastInferenceMilliseconds: UInt64 = 0
  /// Rows that were answered.
  package var inferenceCount: UInt64 = 0
  /// Batches that were computed.
  package var executionCount: UInt64 = 0
  /// Requests answered with predictions, from arrival to answer.
  package var success = Total()
  /// Requests answered with an error.
  package var fail = Total()
  package var queue = Total()
  package var computeInput = Total()
  package var computeInfer = Total()
  package var computeOutput = Total()
  /// In ascending order of size.
  package var batches: [Batch] = []

  package init(name: String, version: String) {
    self.name = name
    self.version = version
  }

  /// The document of several versions.
  package static func json(_ statistics: [ModelStatistics]) -> [UInt8] {
    JSONWriter.document { writer in
      writer.member("model_stats", array: statistics) { writer, one in writer.object { one.write(to: &$0) } }
    }
  }

  private func write(to writer: inout JSONWriter) {
    writer.member("name", name)
    writer.member("version", version)
    writer.member("last_inference", lastInferenceMilliseconds)
    writer.member("inference_count", inferenceCount)
    writer.member("execution_count", executionCount)
    writer.member("inference_stats") { writer in
      writer.member("success", success)
      writer.member("fail", fail)
      writer.member("queue", queue)
      writer.member("compute_input", computeInput)
      writer.member("compute_infer", computeInfer)
      writer.member("compute_output", computeOutput)
      // Answers are not kept: there is nothing to hit or miss.
      writer.member("cache_hit", Total())
      writer.member("cache_miss", Total())
    }
    writer.member("batch_stats", array: batches) { writer, batch in writer.object { batch.write(to: &$0) } }
  }
}

extension ModelStatistics.Batch {
  fileprivate func write(to writer: inout JSONWriter) {
    writer.member("batch_size", size)
    writer.member("compute_input", computeInput)
    writer.member("compute_infer", computeInfer)
    writer.member("compute_output", computeOutput)
  }
}

extension JSONWriter {
  fileprivate mutating func member(_ name: String, _ total: ModelStatistics.Total) {
    member(name) { writer in
      writer.member("count", total.count)
      writer.member("ns", total.nanoseconds)
    }
  }
}
