/** The network in the form that ONNX runtimes read. */
package org.segformer3d.onnx;
