package org.segformer3d.data.dataset;

import java.util.List;

/**
 * One thing to segment: a name and the label values that mean it.
 *
 * @param name for example {@code spleen}, or {@code whole_tumor} for a region of several labels
 * @param values one value for a plain class, several for a region; never empty
 */
public record LabelClass(String name, List<Integer> values) {
    /** Checks that there is a value. */
    public LabelClass {
        values = List.copyOf(values);
        if (values.isEmpty()) {
            throw new IllegalArgumentException("label '" + name + "' has no value");
        }
    }

    /** Returns a plain class. */
    public static LabelClass of(int value, String name) {
        return new LabelClass(name, List.of(value));
    }

    /** Returns the only value of a plain class. */
    public int value() {
        return values.get(0);
    }

    /** Returns whether this is a region of several labels. */
    public boolean isRegion() {
        return values.size() > 1;
    }

    /** Returns whether this is nnU-Net's mark for voxels that nobody annotated. */
    public boolean isIgnore() {
        return name.equalsIgnoreCase("ignore");
    }
}
