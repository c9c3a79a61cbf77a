package org.segformer3d.data.io;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import org.slf4j.Logger;

/**
 * Says something about a file once, though the file is read often: its header for the size, then its voxels, again in each epoch.
 *
 * <p>Remembers the last few thousand remarks, so that a server that runs for months doesn't grow.
 */
public final class Remarks {
    private static final int REMEMBERED = 4096;

    private static final Set<String> SAID =
            Collections.synchronizedSet(Collections.newSetFromMap(new LinkedHashMap<String, Boolean>() {
                private static final long serialVersionUID = 1;

                @Override
                protected boolean removeEldestEntry(Map.Entry<String, Boolean> eldest) {
                    return size() > REMEMBERED;
                }
            }));

    private Remarks() {}

    /**
     * Warns, unless this process has said the same before.
     *
     * @param log who says it, never {@code null}
     * @param remark what to say, with the file's name, never {@code null}
     */
    public static void once(Logger log, String remark) {
        if (SAID.add(Objects.requireNonNull(remark, "remark"))) {
            log.warn("{}", remark);
        }
    }
}
