/// The gateway's own description (OpenAPI 3.0.3): every path, every status.
enum OpenAPI {
  /// - Parameter version: of the product.
  static func document(version: String) -> [UInt8] {
    Array(text.replacing("@VERSION@", with: version).utf8)
  }

  private static let text = ##"""
    {
     "openapi": "3.0.3",
     "info": {
      "title": "Murmuration serving node",
      "version": "@VERSION@",
      "description": "Predictions in the Open Inference Protocol, version 2, and verified versions of models to pull.",
      "license": {"name": "Apache-2.0"}
     },
     "paths": {
      "/v2": {
       "get": {
        "operationId": "serverMetadata",
        "summary": "What this server is",
        "responses": {
         "200": {
          "description": "Name, version and extensions.",
          "content": {"application/json": {"schema": {"$ref": "#/components/schemas/ServerMetadata"}}}
         },
         "4XX": {"$ref": "#/components/responses/Refused"},
         "5XX": {"$ref": "#/components/responses/Refused"}
        },
        "security": []
       }
      },
      "/v2/health/live": {
       "get": {
        "operationId": "live",
        "summary": "Whether the process answers",
        "responses": {
         "200": {
          "description": "It does.",
          "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Live"}}}
         },
         "4XX": {"$ref": "#/components/responses/Refused"},
         "5XX": {"$ref": "#/components/responses/Refused"}
        },
        "security": []
       }
      },
      "/v2/health/ready": {
       "get": {
        "operationId": "ready",
        "summary": "Whether any model is ready",
        "responses": {
         "200": {
          "description": "One is.",
          "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Ready"}}}
         },
         "4XX": {"$ref": "#/components/responses/Refused"},
         "5XX": {"$ref": "#/components/responses/Refused"}
        },
        "security": []
       }
      },
      "/v2/models/{model}": {
       "get": {
        "operationId": "metadata",
        "summary": "Inputs and outputs of a model",
        "responses": {
         "200": {
          "description": "Names, datatypes, shapes.",
          "content": {"application/json": {"schema": {"$ref": "#/components/schemas/ModelMetadata"}}}
         },
         "4XX": {"$ref": "#/components/responses/Refused"},
         "5XX": {"$ref": "#/components/responses/Refused"}
        },
        "parameters": [
         {
          "name": "model",
          "in": "path",
          "required": true,
          "schema": {"type": "string", "minLength": 1},
          "description": "The model's name."
         }
        ]
       }
      },
      "/v2/models/{model}/ready": {
       "get": {
        "operationId": "modelReady",
        "summary": "Whether a model is ready",
        "responses": {
         "200": {
          "description": "It is.",
          "content": {"application/json": {"schema": {"$ref": "#/components/schemas/ModelReady"}}}
         },
         "4XX": {"$ref": "#/components/responses/Refused"},
         "5XX": {"$ref": "#/components/responses/Refused"}
        },
        "parameters": [
         {
          "name": "model",
          "in": "path",
          "required": true,
          "schema": {"type": "string", "minLength": 1},
          "description": "The model's name."
         }
        ]
       }
      },
      "/v2/models/{model}/config": {
       "get": {
        "operationId": "configuration",
        "summary": "The configuration of a model",
        "responses": {
         "200": {
          "description": "As Triton's extension has it.",
          "content": {"application/json": {"schema": {"type": "object"}}}
         },
         "4XX": {"$ref": "#/components/responses/Refused"},
         "5XX": {"$ref": "#/components/responses/Refused"}
        },
        "parameters": [
         {
          "name": "model",
          "in": "path",
          "required": true,
          "schema": {"type": "string", "minLength": 1},
          "description": "The model's name."
         }
        ]
       }
      },
      "/v2/models/{model}/stats": {
       "get": {
        "operationId": "statistics",
        "summary": "What a model has done",
        "responses": {
         "200": {
          "description": "Counts and nanoseconds.",
          "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Statistics"}}}
         },
         "4XX": {"$ref": "#/components/responses/Refused"},
         "5XX": {"$ref": "#/components/responses/Refused"}
        },
        "parameters": [
         {
          "name": "model",
          "in": "path",
          "required": true,
          "schema": {"type": "string", "minLength": 1},
          "description": "The model's name."
         }
        ]
       }
      },
      "/v2/models/{model}/infer": {
       "post": {
        "operationId": "infer",
        "summary": "Predict",
        "responses": {
         "200": {
          "description": "Predictions, all of one version. In binary form this JSON, then the tensors.",
          "content": {"application/json": {"schema": {"$ref": "#/components/schemas/InferenceResponse"}}}
         },
         "4XX": {"$ref": "#/components/responses/Refused"},
         "5XX": {"$ref": "#/components/responses/Refused"}
        },
        "parameters": [
         {
          "name": "model",
          "in": "path",
          "required": true,
          "schema": {"type": "string", "minLength": 1},
          "description": "The model's name."
         }
        ],
        "requestBody": {
         "required": true,
         "content": {
          "application/json": {
           "schema": {"$ref": "#/components/schemas/InferenceRequest"},
           "example": {
            "inputs": [{"name": "features", "shape": [1, 4], "datatype": "FP32", "data": [0.5, 1.5, 2.5, 3.5]}]
           }
          }
         }
        }
       }
      },
      "/v2/models/{model}/versions/{version}": {
       "get": {
        "operationId": "metadataOfVersion",
        "summary": "Inputs and outputs of a model",
        "responses": {
         "200": {
          "description": "Names, datatypes, shapes.",
          "content": {"application/json": {"schema": {"$ref": "#/components/schemas/ModelMetadata"}}}
         },
         "4XX": {"$ref": "#/components/responses/Refused"},
         "5XX": {"$ref": "#/components/responses/Refused"}
        },
        "parameters": [
         {
          "name": "model",
          "in": "path",
          "required": true,
          "schema": {"type": "string", "minLength": 1},
          "description": "The model's name."
         },
         {
          "name": "version",
          "in": "path",
          "required": true,
          "schema": {"type": "string", "minLength": 1},
          "description": "A number, or an alias such as `champion`."
         }
        ]
       }
      },
      "/v2/models/{model}/versions/{version}/ready": {
       "get": {
        "operationId": "modelReadyOfVersion",
        "summary": "Whether a model is ready",
        "responses": {
         "200": {
          "description": "It is.",
          "content": {"application/json": {"schema": {"$ref": "#/components/schemas/ModelReady"}}}
         },
         "4XX": {"$ref": "#/components/responses/Refused"},
         "5XX": {"$ref": "#/components/responses/Refused"}
        },
        "parameters": [
         {
          "name": "model",
          "in": "path",
          "required": true,
          "schema": {"type": "string", "minLength": 1},
          "description": "The model's name."
         },
         {
          "name": "version",
          "in": "path",
          "required": true,
          "schema": {"type": "string", "minLength": 1},
          "description": "A number, or an alias such as `champion`."
         }
        ]
       }
      },
      "/v2/models/{model}/versions/{version}/config": {
       "get": {
        "operationId": "configurationOfVersion",
        "summary": "The configuration of a model",
        "responses": {
         "200": {
          "description": "As Triton's extension has it.",
          "content": {"application/json": {"schema": {"type": "object"}}}
         },
         "4XX": {"$ref": "#/components/responses/Refused"},
         "5XX": {"$ref": "#/components/responses/Refused"}
        },
        "parameters": [
         {
          "name": "model",
          "in": "path",
          "required": true,
          "schema": {"type": "string", "minLength": 1},
          "description": "The model's name."
         },
         {
          "name": "version",
          "in": "path",
          "required": true,
          "schema": {"type": "string", "minLength": 1},
          "description": "A number, or an alias such as `champion`."
         }
        ]
       }
      },
      "/v2/models/{model}/versions/{version}/stats": {
       "get": {
        "operationId": "statisticsOfVersion",
        "summary": "What a model has done",
        "responses": {
         "200": {
          "description": "Counts and nanoseconds.",
          "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Statistics"}}}
         },
         "4XX": {"$ref": "#/components/responses/Refused"},
         "5XX": {"$ref": "#/components/responses/Refused"}
        },
        "parameters": [
         {
          "name": "model",
          "in": "path",
          "required": true,
          "schema": {"type": "string", "minLength": 1},
          "description": "The model's name."
         },
         {
          "name": "version",
          "in": "path",
          "required": true,
          "schema": {"type": "string", "minLength": 1},
          "description": "A number, or an alias such as `champion`."
         }
        ]
       }
      },
      "/v2/models/{model}/versions/{version}/infer": {
       "post": {
        "operationId": "inferOfVersion",
        "summary": "Predict",
        "responses": {
         "200": {
          "description": "Predictions, all of one version. In binary form this JSON, then the tensors.",
          "content": {"application/json": {"schema": {"$ref": "#/components/schemas/InferenceResponse"}}}
         },
         "4XX": {"$ref": "#/components/responses/Refused"},
         "5XX": {"$ref": "#/components/responses/Refused"}
        },
        "parameters": [
         {
          "name": "model",
          "in": "path",
          "required": true,
          "schema": {"type": "string", "minLength": 1},
          "description": "The model's name."
         },
         {
          "name": "version",
          "in": "path",
          "required": true,
          "schema": {"type": "string", "minLength": 1},
          "description": "A number, or an alias such as `champion`."
         }
        ],
        "requestBody": {
         "required": true,
         "content": {
          "application/json": {
           "schema": {"$ref": "#/components/schemas/InferenceRequest"},
           "example": {
            "inputs": [{"name": "features", "shape": [1, 4], "datatype": "FP32", "data": [0.5, 1.5, 2.5, 3.5]}]
           }
          }
         }
        }
       }
      },
      "/v2/models/stats": {
       "get": {
        "operationId": "allStatistics",
        "summary": "What all models have done",
        "responses": {
         "200": {
          "description": "Counts and nanoseconds.",
          "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Statistics"}}}
         },
         "4XX": {"$ref": "#/components/responses/Refused"},
         "5XX": {"$ref": "#/components/responses/Refused"}
        }
       }
      },
      "/v2/repository/index": {
       "post": {
        "operationId": "repositoryIndex",
        "summary": "Versions that answer, and those that do not",
        "responses": {
         "200": {
          "description": "Newest first.",
          "content": {
           "application/json": {"schema": {"type": "array", "items": {"$ref": "#/components/schemas/RepositoryEntry"}}}
          }
         },
         "4XX": {"$ref": "#/components/responses/Refused"},
         "5XX": {"$ref": "#/components/responses/Refused"}
        },
        "requestBody": {
         "required": false,
         "content": {
          "application/json": {"schema": {"type": "object", "properties": {"ready": {"type": "boolean"}}}}
         }
        }
       }
      },
      "/v2/repository/models/{model}/load": {
       "post": {
        "operationId": "load",
        "summary": "Take a model back into service",
        "responses": {
         "200": {"description": "Done.", "content": {"application/json": {"schema": {"type": "object"}}}},
         "4XX": {"$ref": "#/components/responses/Refused"},
         "5XX": {"$ref": "#/components/responses/Refused"}
        },
        "parameters": [
         {
          "name": "model",
          "in": "path",
          "required": true,
          "schema": {"type": "string", "minLength": 1},
          "description": "The model's name."
         }
        ],
        "requestBody": {"required": false, "content": {"application/json": {"schema": {"type": "object"}}}}
       }
      },
      "/v2/repository/models/{model}/unload": {
       "post": {
        "operationId": "unload",
        "summary": "Take a model out of service",
        "responses": {
         "200": {"description": "Done.", "content": {"application/json": {"schema": {"type": "object"}}}},
         "4XX": {"$ref": "#/components/responses/Refused"},
         "5XX": {"$ref": "#/components/responses/Refused"}
        },
        "parameters": [
         {
          "name": "model",
          "in": "path",
          "required": true,
          "schema": {"type": "string", "minLength": 1},
          "description": "The model's name."
         }
        ],
        "requestBody": {"required": false, "content": {"application/json": {"schema": {"type": "object"}}}}
       }
      },
      "/v1/models": {
       "get": {
        "operationId": "listVersions",
        "summary": "Versions that can be pulled",
        "responses": {
         "200": {
          "description": "By name, newest first.",
          "content": {
           "application/json": {"schema": {"type": "array", "items": {"$ref": "#/components/schemas/VersionRow"}}}
          }
         },
         "4XX": {"$ref": "#/components/responses/Refused"},
         "5XX": {"$ref": "#/components/responses/Refused"}
        }
       }
      },
      "/v1/models/{model}/{selector}/{file}": {
       "get": {
        "operationId": "pull",
        "summary": "A file of a version",
        "responses": {
         "200": {
          "description": "All of it.",
          "content": {
           "application/json": {"schema": {"type": "object"}},
           "text/plain": {"schema": {"type": "string"}},
           "text/markdown": {"schema": {"type": "string"}},
           "application/octet-stream": {"schema": {"type": "string", "format": "binary"}}
          }
         },
         "206": {
          "description": "The range that was asked for.",
          "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
         },
         "304": {"description": "It is what `If-None-Match` names."},
         "416": {"$ref": "#/components/responses/Refused"},
         "4XX": {"$ref": "#/components/responses/Refused"},
         "5XX": {"$ref": "#/components/responses/Refused"}
        },
        "parameters": [
         {
          "name": "model",
          "in": "path",
          "required": true,
          "schema": {"type": "string", "minLength": 1},
          "description": "The model's name."
         },
         {
          "name": "selector",
          "in": "path",
          "required": true,
          "schema": {"type": "string", "minLength": 1},
          "description": "A version's number, an alias, or `sha256:` and the digest of its manifest."
         },
         {
          "name": "file",
          "in": "path",
          "required": true,
          "schema": {
           "type": "string",
           "enum": [
            "model.safetensors",
            "manifest.json",
            "manifest.sig",
            "README.md",
            "model.sig",
            "signing-key.pem",
            "signing-key.endorsement"
           ]
          },
          "description": "Files that this version does not have are not found."
         }
        ]
       }
      },
      "/metrics": {
       "get": {
        "operationId": "metrics",
        "summary": "Metrics for Prometheus",
        "responses": {
         "200": {
          "description": "Prometheus text, or OpenMetrics where `Accept` asks for it.",
          "content": {
           "text/plain": {"schema": {"type": "string"}},
           "application/openmetrics-text": {"schema": {"type": "string"}}
          }
         },
         "4XX": {"$ref": "#/components/responses/Refused"},
         "5XX": {"$ref": "#/components/responses/Refused"}
        }
       }
      },
      "/healthz": {
       "get": {
        "operationId": "healthz",
        "summary": "As /v2/health/live",
        "responses": {
         "200": {
          "description": "It does.",
          "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Live"}}}
         },
         "4XX": {"$ref": "#/components/responses/Refused"},
         "5XX": {"$ref": "#/components/responses/Refused"}
        },
        "security": []
       }
      },
      "/readyz": {
       "get": {
        "operationId": "readyz",
        "summary": "As /v2/health/ready",
        "responses": {
         "200": {
          "description": "One is.",
          "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Ready"}}}
         },
         "4XX": {"$ref": "#/components/responses/Refused"},
         "5XX": {"$ref": "#/components/responses/Refused"}
        },
        "security": []
       }
      },
      "/openapi.json": {
       "get": {
        "operationId": "openAPI",
        "summary": "This document",
        "responses": {
         "200": {"description": "OpenAPI 3.", "content": {"application/json": {"schema": {"type": "object"}}}},
         "4XX": {"$ref": "#/components/responses/Refused"},
         "5XX": {"$ref": "#/components/responses/Refused"}
        },
        "security": []
       }
      }
     },
     "security": [{"bearer": []}, {"apiKey": []}, {}],
     "components": {
      "securitySchemes": {
       "bearer": {"type": "http", "scheme": "bearer"},
       "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"}
      },
      "responses": {
       "Refused": {
        "description": "Refused; `error` says why.",
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
       }
      },
      "schemas": {
       "Error": {"type": "object", "properties": {"error": {"type": "string"}}, "required": ["error"]},
       "Parameters": {
        "type": "object",
        "additionalProperties": {"anyOf": [{"type": "string"}, {"type": "number"}, {"type": "boolean"}]}
       },
       "ServerMetadata": {
        "type": "object",
        "properties": {
         "name": {"type": "string"},
         "version": {"type": "string"},
         "extensions": {"type": "array", "items": {"type": "string"}}
        },
        "required": ["name", "version", "extensions"]
       },
       "Live": {"type": "object", "properties": {"live": {"type": "boolean"}}, "required": ["live"]},
       "Ready": {
        "type": "object",
        "properties": {"live": {"type": "boolean"}, "ready": {"type": "boolean"}},
        "required": ["live", "ready"]
       },
       "ModelReady": {
        "type": "object",
        "properties": {"name": {"type": "string"}, "ready": {"type": "boolean"}},
        "required": ["name", "ready"]
       },
       "TensorSpecification": {
        "type": "object",
        "properties": {
         "name": {"type": "string"},
         "datatype": {
          "type": "string",
          "enum": [
           "BOOL",
           "UINT8",
           "UINT16",
           "UINT32",
           "UINT64",
           "INT8",
           "INT16",
           "INT32",
           "INT64",
           "FP16",
           "FP32",
           "FP64",
           "BF16",
           "BYTES"
          ]
         },
         "shape": {"type": "array", "items": {"type": "integer"}}
        },
        "required": ["name", "datatype", "shape"]
       },
       "ModelMetadata": {
        "type": "object",
        "properties": {
         "name": {"type": "string"},
         "versions": {"type": "array", "items": {"type": "string"}},
         "platform": {"type": "string"},
         "inputs": {"type": "array", "items": {"$ref": "#/components/schemas/TensorSpecification"}},
         "outputs": {"type": "array", "items": {"$ref": "#/components/schemas/TensorSpecification"}}
        },
        "required": ["name", "versions", "platform", "inputs", "outputs"]
       },
       "InputTensor": {
        "type": "object",
        "properties": {
         "name": {"type": "string"},
         "shape": {"type": "array", "items": {"type": "integer", "minimum": 0}},
         "datatype": {
          "type": "string",
          "enum": [
           "BOOL",
           "UINT8",
           "UINT16",
           "UINT32",
           "UINT64",
           "INT8",
           "INT16",
           "INT32",
           "INT64",
           "FP16",
           "FP32",
           "FP64",
           "BF16",
           "BYTES"
          ]
         },
         "parameters": {"$ref": "#/components/schemas/Parameters"},
         "data": {"type": "array", "items": {}}
        },
        "required": ["name", "shape", "datatype"]
       },
       "InferenceRequest": {
        "type": "object",
        "properties": {
         "id": {"type": "string"},
         "parameters": {"$ref": "#/components/schemas/Parameters"},
         "inputs": {"type": "array", "items": {"$ref": "#/components/schemas/InputTensor"}, "minItems": 1},
         "outputs": {
          "type": "array",
          "items": {
           "type": "object",
           "properties": {"name": {"type": "string"}, "parameters": {"$ref": "#/components/schemas/Parameters"}},
           "required": ["name"]
          }
         }
        },
        "required": ["inputs"]
       },
       "InferenceResponse": {
        "type": "object",
        "properties": {
         "model_name": {"type": "string"},
         "model_version": {"type": "string"},
         "id": {"type": "string"},
         "parameters": {"$ref": "#/components/schemas/Parameters"},
         "outputs": {
          "type": "array",
          "items": {
           "type": "object",
           "properties": {
            "name": {"type": "string"},
            "shape": {"type": "array", "items": {"type": "integer"}},
            "datatype": {
             "type": "string",
             "enum": [
              "BOOL",
              "UINT8",
              "UINT16",
              "UINT32",
              "UINT64",
              "INT8",
              "INT16",
              "INT32",
              "INT64",
              "FP16",
              "FP32",
              "FP64",
              "BF16",
              "BYTES"
             ]
            },
            "parameters": {"$ref": "#/components/schemas/Parameters"},
            "data": {"type": "array", "items": {}}
           },
           "required": ["name", "shape", "datatype"]
          }
         }
        },
        "required": ["model_name", "outputs"]
       },
       "Duration": {
        "type": "object",
        "properties": {"count": {"type": "integer"}, "ns": {"type": "integer"}},
        "required": ["count", "ns"]
       },
       "Statistics": {
        "type": "object",
        "properties": {
         "model_stats": {
          "type": "array",
          "items": {
           "type": "object",
           "properties": {
            "name": {"type": "string"},
            "version": {"type": "string"},
            "last_inference": {"type": "integer"},
            "inference_count": {"type": "integer"},
            "execution_count": {"type": "integer"},
            "inference_stats": {"type": "object", "additionalProperties": {"$ref": "#/components/schemas/Duration"}},
            "batch_stats": {"type": "array", "items": {"type": "object"}}
           },
           "required": ["name", "version", "inference_count", "execution_count", "inference_stats"]
          }
         }
        },
        "required": ["model_stats"]
       },
       "RepositoryEntry": {
        "type": "object",
        "properties": {
         "name": {"type": "string"},
         "version": {"type": "string"},
         "state": {"type": "string", "enum": ["READY", "LOADING", "UNAVAILABLE"]},
         "reason": {"type": "string"}
        },
        "required": ["name", "state", "reason"]
       },
       "VersionRow": {
        "type": "object",
        "properties": {
         "name": {"type": "string"},
         "version": {"type": "integer"},
         "digest": {"type": "string"},
         "aliases": {"type": "array", "items": {"type": "string"}}
        },
        "required": ["name", "version", "digest", "aliases"]
       }
      }
     }
    }
    """##
}
