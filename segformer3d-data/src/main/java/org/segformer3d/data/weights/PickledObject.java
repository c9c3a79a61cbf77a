package org.segformer3d.data.weights;

import java.util.Collections;
import java.util.List;
import java.util.Objects;

/**
 * An object of a pickle that isn't plain data, described and not built: a device, a path, a name space.
 */
public final class PickledObject {
    private final String type;
    private final List<Object> arguments;
    private Object state;

    PickledObject(String type, List<Object> arguments) {
        this.type = Objects.requireNonNull(type, "type");
        this.arguments = Collections.unmodifiableList(arguments);
    }

    /** Returns the Python name, for example {@code torch.device}. */
    public String type() {
        return type;
    }

    /** Returns what it would have been made from. */
    public List<Object> arguments() {
        return arguments;
    }

    /** Returns its attributes, usually a map; {@code null} when there are none. */
    public Object state() {
        return state;
    }

    void setState(Object state) {
        this.state = state;
    }

    @Override
    public String toString() {
        return type;
    }
}
