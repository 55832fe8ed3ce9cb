#if GRPC
  import Inference
  import SwiftProtobuf

  extension Inference_ServerMetadataResponse {
    init(_ metadata: ServerMetadata) {
      self.init()
      name = metadata.name
      version = metadata.version
      extensions = metadata.extensions.map(\.rawValue)
    }
  }

  extension Inference_ModelMetadataResponse {
    init(_ metadata: ModelMetadata) {
      self.init()
      name = metadata.name
      versions = metadata.versions
      platform = metadata.platform
      inputs = metadata.signature.inputs.map(TensorMetadata.init)
      outputs = metadata.signature.outputs.map(TensorMetadata.init)
    }
  }

  extension Inference_ModelMetadataResponse.TensorMetadata {
    fileprivate init(_ tensor: TensorSpecification) {
      self.init()
      name = tensor.name
      datatype = tensor.datatype.rawValue
      shape = tensor.shape.map { Int64($0) }
    }
  }

  extension Inference_ModelConfig {
    init(_ configuration: ModelConfiguration) {
      self.init()
      name = configuration.name
      platform = configuration.platform
      maxBatchSize = Int32(clamping: configuration.batchSizeMax)
      versionPolicy = .with { $0.latest = .with { $0.numVersions = UInt32(clamping: configuration.versionsServed) } }
      // The first extent, which counts rows, is left out where there are batches.
      let dropped = configuration.batchSizeMax > 0 ? 1 : 0
      input = configuration.signature.inputs.map { tensor in
        .with {
          $0.name = tensor.name
          $0.dataType = Inference_DataType(tensor.datatype)
          $0.dims = tensor.shape.dropFirst(dropped).map { Int64($0) }
        }
      }
      output = configuration.signature.outputs.map { tensor in
        .with {
          $0.name = tensor.name
          $0.dataType = Inference_DataType(tensor.datatype)
          $0.dims = tensor.shape.dropFirst(dropped).map { Int64($0) }
        }
      }
      if let delay = configuration.queueDelayMax {
        let microseconds = (delay / .microseconds(1)).rounded(.down)
        dynamicBatching = .with { $0.maxQueueDelayMicroseconds = UInt64(exactly: microseconds) ?? .max }
      }
    }
  }

  extension Inference_DataType {
    fileprivate init(_ datatype: TensorDatatype) {
      self =
        switch datatype {
        case .bool: .typeBool
        case .uint8: .typeUint8
        case .uint16: .typeUint16
        case .uint32: .typeUint32
        case .uint64: .typeUint64
        case .int8: .typeInt8
        case .int16: .typeInt16
        case .int32: .typeInt32
        case .int64: .typeInt64
        case .fp16: .typeFp16
        case .fp32: .typeFp32
        case .fp64: .typeFp64
        case .bf16: .typeBf16
        case .bytes: .typeString
        }
    }
  }

  extension Inference_ModelStatistics {
    init(_ statistics: ModelStatistics) {
      self.init()
      name = statistics.name
      version = statistics.version
      lastInference = statistics.lastInferenceMilliseconds
      inferenceCount = statistics.inferenceCount
      executionCount = statistics.executionCount
      inferenceStats = .with {
        $0.success = .init(statistics.success)
        $0.fail = .init(statistics.fail)
        $0.queue = .init(statistics.queue)
        $0.computeInput = .init(statistics.computeInput)
        $0.computeInfer = .init(statistics.computeInfer)
        $0.computeOutput = .init(statistics.computeOutput)
      }
      batchStats = statistics.batches.map { batch in
        .with {
          $0.batchSize = batch.size
          $0.computeInput = .init(batch.computeInput)
          $0.computeInfer = .init(batch.computeInfer)
          $0.computeOutput = .init(batch.computeOutput)
        }
      }
    }
  }

  extension Inference_StatisticDuration {
    fileprivate init(_ total: ModelStatistics.Total) {
      self.init()
      count = total.count
      ns = total.nanoseconds
    }
  }

  extension Inference_RepositoryIndexResponse {
    init(_ index: RepositoryIndex) {
      self.init()
      models = index.entries.map { entry in
        .with {
          $0.name = entry.name
          $0.version = entry.version ?? ""
          $0.state = entry.state.rawValue
          $0.reason = entry.reason
        }
      }
    }
  }
#endif
