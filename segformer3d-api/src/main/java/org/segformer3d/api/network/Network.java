package org.segformer3d.api.network;

import java.util.List;
import java.util.Map;
import org.segformer3d.api.block.BlockParameters;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.block.ParameterSpec;
import org.segformer3d.api.ops.Ops;
import org.segformer3d.api.tensor.Tensor;
import org.segformer3d.api.weights.StateDict;

/**
 * What a network computes, without its weights: immutable, and the same on every backend. Two networks are equal when their architectures
 * and {@link #toMap()} are.
 *
 * @since 0.1
 */
public interface Network {
    /** Returns the name of its {@link Architecture}. */
    String architecture();

    /** Returns the section {@code model_parameters}, defaults included, which {@link Architecture#configure} makes this network of. */
    Map<String, Object> toMap();

    /** Returns the number C of channels of the input. */
    int inChannels();

    /** Returns the number K of channels of the logits. */
    int numClasses();

    /** Returns every entry of the state dict under its full name, in the order of computation. */
    List<ParameterSpec> parameters();

    /**
     * Returns weights under this network's names, made of what a file of its original implementation holds: without second names and numbers
     * that follow from the configuration, with what older files lack. Whether they fit is for the reader of the result to check.
     *
     * @param file any entries, never {@code null}
     */
    default StateDict adapt(StateDict file) {
        return file;
    }

    /** Returns what spatial sizes of an input it takes. */
    InputRule inputRule();

    /**
     * Returns whether the same steps compute inputs of every size it takes, apart from the sizes themselves; otherwise what is recorded of it
     * holds for one size.
     */
    default boolean hasSameStepsForAllSizes() {
        return inputRule().exact().isEmpty();
    }

    /**
     * Computes logits.
     *
     * @param ops a backend's operations, a tape's, a recorder's or a counter's, whose scope gets the results
     * @param parameters {@link #parameters()} under their full names
     * @param input (B,C,D,H,W)
     * @return logits (B,K,D,H,W); in training mode perhaps followed by coarser ones of deep supervision, finest first
     * @throws IllegalArgumentException when the rank, the channel count or the spatial size is another, saying what it may be
     */
    List<Tensor> forward(Ops ops, BlockParameters parameters, Tensor input);

    /**
     * Computes the feature maps between encoder and decoder, finest first, for looking at; none where the network names none.
     *
     * @param input (B,C,D,H,W)
     */
    default List<Tensor> encode(Ops ops, BlockParameters parameters, Tensor input) {
        return List.of();
    }

    /**
     * Returns the same network for other numbers of channels.
     *
     * @throws org.segformer3d.api.config.ConfigException when the architecture can't have them
     */
    Network withChannels(int newInChannels, int newNumClasses);

    /**
     * Returns the parts of the network that a profile lists, in the order of computation; a parameter belongs to the part whose name is the
     * longest that its own begins with. By default the first two words of every name.
     *
     * @param input spatial size of the input
     */
    default List<Part> parts(Grid input) {
        return parameters().stream()
                .map(parameter -> parameter.name().split("\\."))
                .map(words -> new Part(words.length > 2 ? words[0] + "." + words[1] : words[0], "", ""))
                .distinct()
                .toList();
    }

    /**
     * A part of a network.
     *
     * @param name what the names of its parameters begin with, without the final dot
     * @param kind what it is, for example {@code self_attention}; may be empty
     * @param output shape of what it gives for a batch of one, for example {@code 32×32×32×32}; may be empty
     */
    record Part(String name, String kind, String output) {}
}
