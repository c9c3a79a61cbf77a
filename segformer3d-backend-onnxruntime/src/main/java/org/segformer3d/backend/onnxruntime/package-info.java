/** The backend that computes with ONNX Runtime: whole networks as one graph, single blocks as small ones. */
package org.segformer3d.backend.onnxruntime;
