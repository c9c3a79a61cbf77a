package org.segformer3d.data.dataset;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.TreeMap;
import java.util.stream.Stream;

/** Where the official preprocessing keeps its cases: {@code NAME/NAME_modalities.pt} beside {@code NAME/NAME_label.pt}. */
public final class OfficialPairs {
    private static final String IMAGE = "_modalities.pt";
    private static final String LABEL = "_label.pt";
    private static final int DEPTH = 4;

    private OfficialPairs() {}

    /** Returns the file with the image of a case in its folder. */
    public static Path image(Path folder, String name) {
        return folder.resolve(name + IMAGE);
    }

    /** Returns the file with the masks of a case in its folder. */
    public static Path label(Path folder, String name) {
        return folder.resolve(name + LABEL);
    }

    /** Returns whether a folder holds both files of a case. */
    public static boolean isPresent(Path folder, String name) {
        return Files.isRegularFile(image(folder, name)) && Files.isRegularFile(label(folder, name));
    }

    /**
     * Finds all pairs in a folder and the folders in it, by name.
     *
     * @throws DatasetException when a half of a pair is missing, or two have the same name
     * @throws IOException when the folder can't be listed
     */
    public static TreeMap<String, Path> find(Path root) throws IOException {
        List<Path> halves;
        try (Stream<Path> files = Files.find(
                root,
                DEPTH,
                (file, attributes) -> attributes.isRegularFile()
                        && file.getFileName().toString().matches(".+(" + IMAGE + "|" + LABEL + ")"))) {
            halves = files.sorted().toList();
        }
        TreeMap<String, Path> folders = new TreeMap<>();
        for (Path file : halves) {
            String name = file.getFileName().toString();
            boolean isImage = name.endsWith(IMAGE);
            name = name.substring(0, name.length() - (isImage ? IMAGE : LABEL).length());
            Path folder = file.getParent();
            if (!isPresent(folder, name)) {
                throw new DatasetException(file, "there is no " + name + (isImage ? LABEL : IMAGE) + " beside it");
            }
            Path other = folders.putIfAbsent(name, folder);
            if (other != null && !other.equals(folder)) {
                throw new DatasetException(file, "case '" + name + "' is there twice, also in " + other);
            }
        }
        return folders;
    }
}
