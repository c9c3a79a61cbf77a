package org.segformer3d.server.label;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.segformer3d.data.format.VolumeFiles;
import org.segformer3d.server.http.Names;
import org.segformer3d.server.job.ProblemException;

/**
 * Images and their labels in a folder: {@code ID.nii.gz} and {@code labels/TAG/ID.nii.gz}, or with another image format's ending.
 *
 * <p>Identities come from clients. They become names of files by writing every byte that isn't an ASCII letter, a digit, space or one of
 * {@code ._()-} as {@code %XX}, so that no identity leads out of the folder.
 */
public final class Datastore {
    private static final int LONGEST = 120;
    private static final String LABELS = "labels";
    private static final List<String> EXTENSIONS = VolumeFiles.endings();

    private final Path folder;
    private final long mostBytes;

    private Datastore(Path folder, long mostBytes) {
        this.folder = folder;
        this.mostBytes = mostBytes;
    }

    /**
     * Opens a datastore.
     *
     * @param folder made where it is missing
     * @param mostBytes how much it may hold before further files are refused
     */
    public static Datastore open(Path folder, long mostBytes) throws IOException {
        Files.createDirectories(folder);
        return new Datastore(folder, mostBytes);
    }

    /**
     * Returns an identity without the ending of an image file's name, which clients send along or not.
     *
     * @throws ProblemException 400 for what can't be one
     */
    static String id(String given) {
        String id = Names.stem(given.strip());
        if (id.isEmpty() || id.length() > LONGEST || id.chars().anyMatch(c -> c < ' ' || c == '/' || c == '\\')) {
            throw new ProblemException(
                    400,
                    "bad_id",
                    "found id '" + Names.shown(given, "") + "', expected 1 to " + LONGEST
                            + " characters without slashes");
        }
        return id;
    }

    private static String encode(String id) {
        StringBuilder name = new StringBuilder();
        for (byte b : id.getBytes(StandardCharsets.UTF_8)) {
            char c = (char) (b & 0xff);
            boolean plain = c >= 'a' && c <= 'z'
                    || c >= 'A' && c <= 'Z'
                    || c >= '0' && c <= '9'
                    || " _()-".indexOf(c) >= 0
                    || c == '.' && name.length() > 0;
            name.append(plain ? String.valueOf(c) : String.format("%%%02X", (int) c));
        }
        return name.toString();
    }

    /** Returns the identity that a file's name stands for. */
    private static String decode(String name) {
        java.io.ByteArrayOutputStream bytes = new java.io.ByteArrayOutputStream();
        byte[] text = name.getBytes(StandardCharsets.UTF_8);
        for (int n = 0; n < text.length; n++) {
            int high = text[n] == '%' && n + 2 < text.length + 0 ? Character.digit(text[n + 1], 16) : -1;
            int low = high >= 0 ? Character.digit(text[n + 2], 16) : -1;
            if (low >= 0) {
                bytes.write(high << 4 | low);
                n += 2;
            } else {
                bytes.write(text[n]);
            }
        }
        return bytes.toString(StandardCharsets.UTF_8);
    }

    private static Optional<Path> find(Path folder, String id) {
        for (String extension : EXTENSIONS) {
            // Files that the owner put there may have names that encoding would change.
            for (String name : new String[] {encode(id), id}) {
                Path file = folder.resolve(name + extension);
                if (file.getParent().equals(folder) && Files.isRegularFile(file)) {
                    return Optional.of(file);
                }
            }
        }
        return Optional.empty();
    }

    /**
     * Returns an image's file.
     *
     * @throws ProblemException 404 when there is none
     */
    public Path image(String given) {
        String id = id(given);
        return find(folder, id)
                .orElseThrow(() -> new ProblemException(
                        404,
                        "no_image",
                        "found no image '" + Names.shown(id, "") + "' in the datastore; upload it first"));
    }

    /**
     * Returns a label's file.
     *
     * @param tag which of an image's labels; empty for any
     * @throws ProblemException 404 when there is none
     */
    public Path label(String given, String tag) throws IOException {
        String id = id(given);
        List<String> tags = tag.isEmpty() ? tags() : List.of(id(tag));
        for (String one : tags) {
            Optional<Path> file = find(folder.resolve(LABELS).resolve(encode(one)), id);
            if (file.isPresent()) {
                return file.get();
            }
        }
        throw new ProblemException(
                404,
                "no_label",
                "found no label of image '" + Names.shown(id, "") + "'"
                        + (tag.isEmpty() ? "" : " with tag '" + Names.shown(tag, "") + "'") + " in the datastore");
    }

    /** Takes an image, replacing one of the same identity, and returns its identity. */
    public synchronized String addImage(String given, Path file) throws IOException {
        String id = id(given);
        store(folder, id, file);
        return id;
    }

    /** Takes an image's label, replacing one with the same tag, and returns its identity, which is the image's. */
    public synchronized String addLabel(String given, String tag, Path file) throws IOException {
        image(given);
        String id = id(given);
        store(Files.createDirectories(folder.resolve(LABELS).resolve(encode(id(tag)))), id, file);
        return id;
    }

    private void store(Path target, String id, Path file) throws IOException {
        long held = bytes();
        if (held + Files.size(file) > mostBytes) {
            throw new ProblemException(
                    507,
                    "datastore_full",
                    "the datastore holds " + held + " bytes of at most " + mostBytes + ", " + Files.size(file)
                            + " more don't fit; remove images first");
        }
        String extension = extension(file);
        Optional<Path> old = find(target, id);
        Path partial = target.resolve("." + encode(id) + ".part");
        // First beside its place, since it may come from another file system, and then at once into it.
        Files.move(file, partial, StandardCopyOption.REPLACE_EXISTING);
        Path stored = target.resolve(encode(id) + extension);
        Files.move(partial, stored, StandardCopyOption.REPLACE_EXISTING, StandardCopyOption.ATOMIC_MOVE);
        if (old.isPresent() && !old.get().equals(stored)) {
            Files.deleteIfExists(old.get());
        }
    }

    private long bytes() throws IOException {
        long sum = 0;
        try (Stream<Path> files = Files.walk(folder)) {
            for (Path file : files.filter(one -> Files.isRegularFile(one, LinkOption.NOFOLLOW_LINKS))
                    .toList()) {
                sum += Files.size(file);
            }
        }
        return sum;
    }

    /** Deletes an image and all its labels. */
    public synchronized void removeImage(String given) throws IOException {
        Path file = image(given);
        for (String tag : tags()) {
            removeLabel(given, tag);
        }
        Files.deleteIfExists(file);
    }

    /** Deletes an image's labels, or the one with a tag. */
    public synchronized void removeLabel(String given, String tag) throws IOException {
        for (String one : tag.isEmpty() ? tags() : List.of(id(tag))) {
            Optional<Path> file = find(folder.resolve(LABELS).resolve(encode(one)), id(given));
            if (file.isPresent()) {
                Files.deleteIfExists(file.get());
            }
        }
    }

    private List<String> tags() throws IOException {
        Path labels = folder.resolve(LABELS);
        if (!Files.isDirectory(labels)) {
            return List.of();
        }
        try (Stream<Path> folders = Files.list(labels)) {
            return folders.filter(Files::isDirectory)
                    .map(one -> decode(one.getFileName().toString()))
                    .sorted()
                    .toList();
        }
    }

    private static List<String> ids(Path folder) throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return new ArrayList<>(new TreeSet<>(files.filter(Files::isRegularFile)
                    .map(file -> file.getFileName().toString())
                    .filter(name -> !name.startsWith(".") && EXTENSIONS.stream().anyMatch(name::endsWith))
                    .map(name -> decode(Names.stem(name)))
                    .toList()));
        }
    }

    private Map<String, List<String>> labelled() throws IOException {
        Map<String, List<String>> byTag = new TreeMap<>();
        for (String tag : tags()) {
            byTag.put(tag, ids(folder.resolve(LABELS).resolve(encode(tag))));
        }
        return byTag;
    }

    /** Returns how many images there are and how many have a label, as MONAI Label states it. */
    public Map<String, Object> status() throws IOException {
        List<String> images = ids(folder);
        Map<String, Object> counts = new LinkedHashMap<>();
        TreeSet<String> completed = new TreeSet<>();
        labelled().forEach((tag, ids) -> {
            counts.put(tag, ids.size());
            completed.addAll(ids);
        });
        completed.retainAll(images);
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("total", images.size());
        map.put("completed", completed.size());
        map.put("label_tags", counts);
        map.put("train", List.of());
        return map;
    }

    /** Returns every image with its labels, as MONAI Label states it. */
    public Map<String, Object> objects() throws IOException {
        Map<String, List<String>> labelled = labelled();
        Map<String, Object> objects = new LinkedHashMap<>();
        for (String id : ids(folder)) {
            Map<String, Object> labels = new LinkedHashMap<>();
            for (Map.Entry<String, List<String>> tag : labelled.entrySet()) {
                if (tag.getValue().contains(id)) {
                    labels.put(tag.getKey(), entry(label(id, tag.getKey())));
                }
            }
            Map<String, Object> object = new LinkedHashMap<>();
            object.put("image", entry(image(id)));
            object.put("labels", labels);
            objects.put(id, object);
        }
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("name", "SegFormer3D");
        map.put("description", "Images and labels of this server");
        map.put("objects", objects);
        return map;
    }

    private static Map<String, Object> entry(Path file) throws IOException {
        Map<String, Object> info = new LinkedHashMap<>();
        info.put("name", file.getFileName().toString());
        info.put("ts", Files.getLastModifiedTime(file).toMillis() / 1000);
        Map<String, Object> entry = new LinkedHashMap<>();
        entry.put("ext", extension(file));
        entry.put("info", info);
        return entry;
    }

    static String extension(Path file) {
        return VolumeFiles.endingOf(file);
    }
}
