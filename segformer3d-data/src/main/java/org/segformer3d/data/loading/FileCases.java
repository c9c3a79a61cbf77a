package org.segformer3d.data.loading;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import org.segformer3d.data.dataset.Case;
import org.segformer3d.data.nifti.NiftiReader;
import org.segformer3d.data.preprocessing.PreparedCase;
import org.segformer3d.data.preprocessing.Preprocessor;
import org.segformer3d.data.volume.Volume;

/** Cases read from image files and preprocessed each time they are asked for. */
public final class FileCases implements CaseSource {
    private final List<Case> cases;
    private final Preprocessor preprocessor;

    /**
     * Creates a source.
     *
     * @param cases which files, never {@code null}
     * @param preprocessor what to do to them, never {@code null}
     */
    public FileCases(List<Case> cases, Preprocessor preprocessor) {
        this.cases = List.copyOf(cases);
        this.preprocessor = Objects.requireNonNull(preprocessor, "preprocessor");
    }

    @Override
    public int size() {
        return cases.size();
    }

    @Override
    public String id(int index) {
        return cases.get(index).id();
    }

    @Override
    public PreparedCase load(int index) throws IOException {
        Case one = cases.get(index);
        List<Volume> channels = new ArrayList<>();
        for (Path file : one.images()) {
            channels.add(NiftiReader.read(file));
        }
        Optional<Volume> label = Optional.empty();
        if (one.label().isPresent()) {
            label = Optional.of(NiftiReader.readLabels(one.label().get()));
        }
        return preprocessor.prepare(one.images().get(0).toString(), channels, label);
    }
}
