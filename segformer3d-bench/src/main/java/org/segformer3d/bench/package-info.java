/** What things cost: JMH benchmarks of blocks, whole networks, training steps and the pipeline. */
package org.segformer3d.bench;
