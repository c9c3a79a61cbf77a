package org.segformer3d.data.loading;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import org.segformer3d.data.cache.CacheKey;
import org.segformer3d.data.dataset.Case;
import org.segformer3d.data.dataset.CaseReader;
import org.segformer3d.data.preprocessing.PreparedCase;
import org.segformer3d.data.preprocessing.Preprocessor;
import org.segformer3d.data.volume.Volume;

/** Cases read from image files and preprocessed each time they are asked for. */
public final class FileCases implements CaseSource {
    private final List<Case> cases;
    private final int channels;
    private final Preprocessor preprocessor;

    /**
     * Creates a source.
     *
     * @param cases which files, never {@code null}
     * @param channels how many channels each case must have, 0 for any number
     * @param preprocessor what to do to them, never {@code null}
     */
    public FileCases(List<Case> cases, int channels, Preprocessor preprocessor) {
        this.cases = List.copyOf(cases);
        this.channels = channels;
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

    /**
     * Returns what makes a case: the content of its files, the preprocessing, and how many channels it must have.
     *
     * @throws IOException when a file is missing or can't be read
     */
    public CacheKey key(int index) throws IOException {
        Case one = cases.get(index);
        CacheKey key = CacheKey.of("prepared case", Preprocessor.VERSION)
                .with("preprocessing", preprocessor.spec().toMap())
                .with("channels", channels);
        for (Path image : one.images()) {
            key = key.withFile("image", image);
        }
        return one.label().isPresent() ? key.withFile("label", one.label().get()) : key;
    }

    @Override
    public PreparedCase load(int index) throws IOException {
        Case one = cases.get(index);
        Volume image = CaseReader.readImage(one, channels);
        Optional<Volume> label = Optional.empty();
        if (one.label().isPresent()) {
            label = Optional.of(CaseReader.readLabel(one, image.geometry()));
        }
        return preprocessor.prepare(one.images().get(0).toString(), List.of(image), label);
    }
}
