/** Experiments read from YAML: the official schema, our documented extensions, and typed views of both. */
package org.segformer3d.train.config;
