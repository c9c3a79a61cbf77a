package org.segformer3d.data.dataset;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Cases of which a file is missing, and why each can't be used. Whoever finds cases puts them here; whoever asked decides whether they are
 * refused or left out, and either way each is named.
 */
public final class IncompleteCases {
    private static final Logger LOG = LoggerFactory.getLogger(IncompleteCases.class);
    private static final Set<String> WARNED = ConcurrentHashMap.newKeySet();
    private static final int NAMED = 20;

    private final Map<String, List<String>> reasons = new LinkedHashMap<>();

    /** Starts with none. */
    public IncompleteCases() {
        // every case is complete until someone finds otherwise
    }

    /** Notes what a case lacks; a case may lack several things. */
    public void add(String id, String reason) {
        reasons.computeIfAbsent(id, any -> new ArrayList<>()).add(reason);
    }

    /** Returns whether no case was noted. */
    public boolean isEmpty() {
        return reasons.isEmpty();
    }

    /** Returns whether a case was noted. */
    public boolean contains(String id) {
        return reasons.containsKey(id);
    }

    /** Returns what each case lacks, by id, in the order they were noted. */
    public Map<String, List<String>> reasons() {
        return Collections.unmodifiableMap(reasons);
    }

    /**
     * Refuses incomplete cases.
     *
     * @param where the data set or the folder they are of
     * @throws DatasetException when there are any; it names them
     */
    public void requireNone(Path where) throws DatasetException {
        if (!isEmpty()) {
            throw new DatasetException(
                    where,
                    text(NAMED) + "; complete " + (reasons.size() == 1 ? "it" : "them") + ", or leave "
                            + (reasons.size() == 1 ? "it" : "them") + " out with --skip-incomplete");
        }
    }

    /** Warns of incomplete cases, which are left out, naming each. */
    public void warn(Path where) {
        if (!isEmpty()) {
            String line = where + ": " + text(Integer.MAX_VALUE) + "; left out";
            // A command may look at a data set several times.
            if (WARNED.add(line)) {
                LOG.warn("{}", line);
            }
        }
    }

    private String text(int most) {
        StringBuilder text = new StringBuilder();
        text.append(reasons.size()).append(reasons.size() == 1 ? " case is incomplete: " : " cases are incomplete: ");
        int named = 0;
        for (Map.Entry<String, List<String>> one : reasons.entrySet()) {
            if (named == most) {
                return text + " and " + (reasons.size() - named) + " more";
            }
            text.append(named++ == 0 ? "'" : ", '")
                    .append(one.getKey())
                    .append("' (")
                    .append(String.join("; ", one.getValue()))
                    .append(')');
        }
        return text.toString();
    }

    @Override
    public String toString() {
        return isEmpty() ? "all cases are complete" : text(NAMED);
    }
}
