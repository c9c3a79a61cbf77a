package org.segformer3d.data.dataset;

import java.util.List;
import java.util.Objects;
import java.util.OptionalInt;

/**
 * One thing to segment: a name and the label values that mean it.
 *
 * @param name for example {@code spleen}, or {@code whole_tumor} for a region of several labels
 * @param values one value for a plain class, several for a region; never empty
 * @param write as which value the data set says it is written, over whatever the labels before it wrote; empty where it doesn't say
 */
public record LabelClass(String name, List<Integer> values, OptionalInt write) {
    /** Checks that there is a value. */
    public LabelClass {
        Objects.requireNonNull(name, "name");
        Objects.requireNonNull(write, "write");
        values = List.copyOf(values);
        if (values.isEmpty()) {
            throw new IllegalArgumentException("label '" + name + "' has no value");
        }
    }

    /** Describes a label of which its data set doesn't say as what it is written. */
    public LabelClass(String name, List<Integer> values) {
        this(name, values, OptionalInt.empty());
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

    /** Returns this label written as a value. */
    public LabelClass writtenAs(int value) {
        return new LabelClass(name, values, OptionalInt.of(value));
    }

    /** Returns whether this is the background: what value 0 alone means. */
    public boolean isBackground() {
        return values.equals(List.of(0));
    }

    /** Returns whether this is nnU-Net's mark for voxels that nobody annotated. */
    public boolean isIgnore() {
        return name.equalsIgnoreCase("ignore");
    }
}
