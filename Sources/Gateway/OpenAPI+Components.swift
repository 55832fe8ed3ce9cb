extension OpenAPI {
  /// What operations refer to: credentials, the refusal, parts of paths, and the shapes of bodies.
  static let components = ##"""
    {
      "securitySchemes": {
        "apiKey": {"type": "apiKey", "name": "X-API-Key", "in": "header"},
        "bearer": {"type": "http", "scheme": "bearer"}
      },
      "responses": {
        "Refused": {
          "description": "Refused; `error` says why.",
          "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
        }
      },
      "parameters": {
        "model": {
          "name": "model",
          "in": "path",
          "required": true,
          "description": "The model's name.",
          "schema": {"type": "string", "minLength": 1}
        },
        "selector": {
          "name": "selector",
          "in": "path",
          "required": true,
          "description": "A version's number, an alias, or `sha256:` and the digest of its manifest.",
          "schema": {"type": "string", "minLength": 1}
        },
        "file": {
          "name": "file",
          "in": "path",
          "required": true,
          "description": "Files that this version does not have are not found.",
          "schema": {
            "type": "string",
            "enum": [
              "model.safetensors", "manifest.json", "manifest.sig", "README.md", "model.sig", "signing-key.pem",
              "signing-key.endorsement"
            ]
          }
        },
        "version": {
          "name": "version",
          "in": "path",
          "required": true,
          "description": "A number, or an alias such as `champion`.",
          "schema": {"type": "string", "minLength": 1}
        }
      },
      "schemas": {
        "Duration": {
          "type": "object",
          "required": ["count", "ns"],
          "properties": {"count": {"type": "integer"}, "ns": {"type": "integer"}}
        },
        "Error": {"type": "object", "required": ["error"], "properties": {"error": {"type": "string"}}},
        "InferenceRequest": {
          "type": "object",
          "required": ["inputs"],
          "properties": {
            "id": {"type": "string"},
            "inputs": {"type": "array", "minItems": 1, "items": {"$ref": "#/components/schemas/InputTensor"}},
            "outputs": {
              "type": "array",
              "items": {
                "type": "object",
                "required": ["name"],
                "properties": {
                  "name": {"type": "string"},
                  "parameters": {"$ref": "#/components/schemas/Parameters"}
                }
              }
            },
            "parameters": {"$ref": "#/components/schemas/Parameters"}
          }
        },
        "InferenceResponse": {
          "type": "object",
          "required": ["model_name", "outputs"],
          "properties": {
            "id": {"type": "string"},
            "model_name": {"type": "string"},
            "model_version": {"type": "string"},
            "outputs": {
              "type": "array",
              "items": {
                "type": "object",
                "required": ["name", "shape", "datatype"],
                "properties": {
                  "data": {"type": "array", "items": {}},
                  "datatype": {
                    "type": "string",
                    "enum": [
                      "BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64", "FP16",
                      "FP32", "FP64", "BF16", "BYTES"
                    ]
                  },
                  "name": {"type": "string"},
                  "parameters": {"$ref": "#/components/schemas/Parameters"},
                  "shape": {"type": "array", "items": {"type": "integer"}}
                }
              }
            },
            "parameters": {"$ref": "#/components/schemas/Parameters"}
          }
        },
        "InputTensor": {
          "type": "object",
          "required": ["name", "shape", "datatype"],
          "properties": {
            "data": {"type": "array", "items": {}},
            "datatype": {
              "type": "string",
              "enum": [
                "BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64", "FP16", "FP32",
                "FP64", "BF16", "BYTES"
              ]
            },
            "name": {"type": "string"},
            "parameters": {"$ref": "#/components/schemas/Parameters"},
            "shape": {"type": "array", "items": {"type": "integer", "minimum": 0}}
          }
        },
        "Live": {"type": "object", "required": ["live"], "properties": {"live": {"type": "boolean"}}},
        "ModelMetadata": {
          "type": "object",
          "required": ["name", "versions", "platform", "inputs", "outputs"],
          "properties": {
            "inputs": {"type": "array", "items": {"$ref": "#/components/schemas/TensorSpecification"}},
            "name": {"type": "string"},
            "outputs": {"type": "array", "items": {"$ref": "#/components/schemas/TensorSpecification"}},
            "platform": {"type": "string"},
            "versions": {"type": "array", "items": {"type": "string"}}
          }
        },
        "ModelReady": {
          "type": "object",
          "required": ["name", "ready"],
          "properties": {"name": {"type": "string"}, "ready": {"type": "boolean"}}
        },
        "Parameters": {
          "type": "object",
          "additionalProperties": {"anyOf": [{"type": "string"}, {"type": "number"}, {"type": "boolean"}]}
        },
        "Ready": {
          "type": "object",
          "required": ["live", "ready"],
          "properties": {"live": {"type": "boolean"}, "ready": {"type": "boolean"}}
        },
        "RepositoryEntry": {
          "type": "object",
          "required": ["name", "state", "reason"],
          "properties": {
            "name": {"type": "string"},
            "reason": {"type": "string"},
            "state": {"type": "string", "enum": ["READY", "LOADING", "UNAVAILABLE"]},
            "version": {"type": "string"}
          }
        },
        "ServerMetadata": {
          "type": "object",
          "required": ["name", "version", "extensions"],
          "properties": {
            "extensions": {"type": "array", "items": {"type": "string"}},
            "name": {"type": "string"},
            "version": {"type": "string"}
          }
        },
        "Statistics": {
          "type": "object",
          "required": ["model_stats"],
          "properties": {
            "model_stats": {
              "type": "array",
              "items": {
                "type": "object",
                "required": ["name", "version", "inference_count", "execution_count", "inference_stats"],
                "properties": {
                  "batch_stats": {"type": "array", "items": {"type": "object"}},
                  "execution_count": {"type": "integer"},
                  "inference_count": {"type": "integer"},
                  "inference_stats": {
                    "type": "object",
                    "additionalProperties": {"$ref": "#/components/schemas/Duration"}
                  },
                  "last_inference": {"type": "integer"},
                  "name": {"type": "string"},
                  "version": {"type": "string"}
                }
              }
            }
          }
        },
        "TensorSpecification": {
          "type": "object",
          "required": ["name", "datatype", "shape"],
          "properties": {
            "datatype": {
              "type": "string",
              "enum": [
                "BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64", "FP16", "FP32",
                "FP64", "BF16", "BYTES"
              ]
            },
            "name": {"type": "string"},
            "shape": {"type": "array", "items": {"type": "integer"}}
          }
        },
        "VersionRow": {
          "type": "object",
          "required": ["name", "version", "digest", "aliases"],
          "properties": {
            "aliases": {"type": "array", "items": {"type": "string"}},
            "digest": {"type": "string"},
            "name": {"type": "string"},
            "version": {"type": "integer"}
          }
        }
      }
    }
    """##
}
