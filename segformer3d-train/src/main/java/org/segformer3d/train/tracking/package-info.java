/** What a run writes down as it goes: CSV, JSON lines, TensorBoard events, MLflow runs, and a picture of the curves. */
package org.segformer3d.train.tracking;
