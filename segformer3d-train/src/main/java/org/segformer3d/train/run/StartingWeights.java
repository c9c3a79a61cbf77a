package org.segformer3d.train.run;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import org.segformer3d.api.block.ParameterSpec;
import org.segformer3d.api.config.ConfigException;
import org.segformer3d.api.network.Network;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.weights.StateDict;
import org.segformer3d.api.weights.StateDict.Mismatch;
import org.segformer3d.api.weights.StateDictMismatchException;
import org.segformer3d.api.weights.WeightInitializer;
import org.segformer3d.data.weights.WeightFiles;
import org.segformer3d.eval.bundle.ModelBundle;

/**
 * Weights that a run starts from: those of a file, and fresh ones where the file is of a network with other input channels or classes.
 *
 * @param weights fitting the network
 * @param fresh what was initialised anew, one text each: name, shape found, shape expected
 */
record StartingWeights(StateDict weights, List<String> fresh) {
    /**
     * Reads weights.
     *
     * @param path a weights file, a checkpoint folder, or a bundle as a folder or zip file
     * @param network what is to be trained
     * @param seed of what is initialised anew
     * @throws StateDictMismatchException when the network differs in more than input channels and classes
     * @throws IOException when there is nothing to read
     */
    static StartingWeights read(Path path, Network network, long seed) throws IOException {
        boolean zip = path.toString().toLowerCase(Locale.ROOT).endsWith(".zip");
        StateDict found = zip ? ModelBundle.read(path).weights() : WeightFiles.read(path, network);
        try {
            return fit(found, network, seed);
        } catch (StateDictMismatchException e) {
            throw e.in(path);
        }
    }

    static StartingWeights fit(StateDict found, Network network, long seed) {
        Set<String> replaceable = dependentOnChannels(network);
        Map<String, HostTensor> fitting = new LinkedHashMap<>(found.tensors());
        List<String> fresh = new ArrayList<>();
        StateDict random = null;
        for (Mismatch mismatch : found.mismatches(network.parameters())) {
            if (mismatch.kind() == Mismatch.Kind.MISSHAPEN && replaceable.contains(mismatch.name())) {
                random = random == null ? WeightInitializer.initialize(network.parameters(), seed) : random;
                fitting.put(mismatch.name(), random.get(mismatch.name()));
                fresh.add(mismatch.name() + " (found " + mismatch.found() + ", expected " + mismatch.expected() + ")");
            }
        }
        return new StartingWeights(StateDict.of(fitting).require(network.parameters()), List.copyOf(fresh));
    }

    /** Returns the names of the entries whose shape depends on the number of input channels or classes. */
    private static Set<String> dependentOnChannels(Network network) {
        Map<String, String> shapes = new LinkedHashMap<>();
        for (ParameterSpec parameter : network.parameters()) {
            shapes.put(parameter.name(), java.util.Arrays.toString(parameter.dims()));
        }
        Set<String> dependent = new HashSet<>();
        Network other;
        try {
            other = network.withChannels(network.inChannels() + 1, network.numClasses() + 1);
        } catch (ConfigException e) {
            // an architecture whose number of input channels is fixed
            other = network.withChannels(network.inChannels(), network.numClasses() + 1);
        }
        for (ParameterSpec parameter : other.parameters()) {
            if (!java.util.Arrays.toString(parameter.dims()).equals(shapes.get(parameter.name()))) {
                dependent.add(parameter.name());
            }
        }
        return dependent;
    }
}
