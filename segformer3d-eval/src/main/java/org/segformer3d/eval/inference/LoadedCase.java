package org.segformer3d.eval.inference;

import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.segformer3d.data.preprocessing.PreparedScan;
import org.segformer3d.eval.inference.SegmentationResult.Phase;

/**
 * A case that is read and prepared.
 *
 * @param id what messages call it
 * @param scan as the network sees it
 * @param timings how long reading and preparing took
 * @param files what was read: names and hashes
 */
record LoadedCase(String id, PreparedScan scan, Map<Phase, Duration> timings, List<Map<String, Object>> files) {}
