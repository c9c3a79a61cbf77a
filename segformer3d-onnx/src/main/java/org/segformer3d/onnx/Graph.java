package org.segformer3d.onnx;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;
import java.util.Map;

/** An ONNX graph under construction; every value has a name of its own. Field numbers are those of onnx.proto. */
final class Graph {
    /** Version of the operators: the first with LayerNormalization. */
    static final int OPERATORS = 17;

    /** Version of the file format that belongs to these operators. */
    private static final int FORMAT = 8;

    private static final int FLOAT = 1;
    private static final int INT64 = 7;

    private final Message graph = new Message();
    private int values;

    /** An attribute of a node. */
    record Attribute(Message message) {
        private static final int TYPE_FLOAT = 1;
        private static final int TYPE_INT = 2;
        private static final int TYPE_STRING = 3;
        private static final int TYPE_INTS = 7;

        static Attribute of(String name, float value) {
            return new Attribute(new Message().text(1, name).real(2, value).number(20, TYPE_FLOAT));
        }

        static Attribute of(String name, long value) {
            return new Attribute(new Message().text(1, name).number(3, value).number(20, TYPE_INT));
        }

        static Attribute of(String name, String value) {
            return new Attribute(new Message().text(1, name).text(4, value).number(20, TYPE_STRING));
        }

        static Attribute of(String name, long... values) {
            Message message = new Message().text(1, name);
            for (long value : values) {
                message.number(8, value);
            }
            return new Attribute(message.number(20, TYPE_INTS));
        }
    }

    /** Adds a node of one output and returns the output's name. An empty input name stands for an input that is left out. */
    String node(String operator, List<String> inputs, Attribute... attributes) {
        return nodes(operator, inputs, 1, attributes)[0];
    }

    /** Adds a node and returns its outputs' names. */
    String[] nodes(String operator, List<String> inputs, int outputs, Attribute... attributes) {
        Message node = new Message();
        inputs.forEach(input -> node.text(1, input));
        String[] names = new String[outputs];
        for (int n = 0; n < outputs; n++) {
            names[n] = operator + "_" + values++;
            node.text(2, names[n]);
        }
        node.text(3, names[0]).text(4, operator);
        for (Attribute attribute : attributes) {
            node.message(5, attribute.message());
        }
        graph.message(1, node);
        return names;
    }

    /** Gives a value another name, for example that of the graph's output. */
    void rename(String value, String name) {
        graph.message(
                1, new Message().text(1, value).text(2, name).text(3, name).text(4, "Identity"));
    }

    /** Adds weights under their name. */
    String weights(String name, float[] data, long... shape) {
        ByteBuffer bytes = ByteBuffer.allocate(Float.BYTES * data.length).order(ByteOrder.LITTLE_ENDIAN);
        bytes.asFloatBuffer().put(data);
        return initializer(name, FLOAT, bytes, shape);
    }

    /** Returns a name that no value has yet. */
    String fresh(String stem) {
        return stem + "_" + values++;
    }

    /** Adds one number that operators work on element by element. */
    String constant(float value) {
        return weights("constant_" + values++, new float[] {value});
    }

    /** Adds a list of whole numbers. */
    String integers(long... data) {
        ByteBuffer bytes = ByteBuffer.allocate(Long.BYTES * data.length).order(ByteOrder.LITTLE_ENDIAN);
        bytes.asLongBuffer().put(data);
        return initializer("integers_" + values++, INT64, bytes, data.length);
    }

    private String initializer(String name, int type, ByteBuffer bytes, long... shape) {
        Message tensor = new Message();
        for (long size : shape) {
            tensor.number(1, size);
        }
        graph.message(5, tensor.number(2, type).text(8, name).bytes(9, bytes.array()));
        return name;
    }

    /**
     * Adds an input of floats.
     *
     * @param sizes numbers, or names of sizes that vary
     */
    void input(String name, Object... sizes) {
        graph.message(11, value(name, FLOAT, sizes));
    }

    /** Adds an input of three sizes. */
    void sizes(String name) {
        graph.message(11, value(name, INT64, 3));
    }

    /** Adds an output of floats. */
    void output(String name, Object... sizes) {
        graph.message(12, value(name, FLOAT, sizes));
    }

    private static Message value(String name, int type, Object... sizes) {
        Message shape = new Message();
        for (Object size : sizes) {
            shape.message(
                    1,
                    size instanceof Number number
                            ? new Message().number(1, number.longValue())
                            : new Message().text(2, size.toString()));
        }
        Message tensor = new Message().number(1, type).message(2, shape);
        return new Message().text(1, name).message(2, new Message().message(1, tensor));
    }

    /** Returns the whole model. */
    byte[] model(String name, String producer, String version, Map<String, String> metadata) {
        Message model = new Message()
                .number(1, FORMAT)
                .text(2, producer)
                .text(3, version)
                .message(7, graph.text(2, name))
                .message(8, new Message().text(1, "").number(2, OPERATORS));
        metadata.forEach(
                (key, value) -> model.message(14, new Message().text(1, key).text(2, value)));
        return model.toBytes();
    }
}
