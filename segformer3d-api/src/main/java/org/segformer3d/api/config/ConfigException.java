package org.segformer3d.api.config;

/** A configuration that cannot be used; the message is one line that names the key, what was found and what was expected. */
public class ConfigException extends IllegalArgumentException {
    private static final long serialVersionUID = 1L;

    /** Creates an exception with a message for the user. */
    public ConfigException(String message) {
        super(message);
    }

    /** Creates an exception about one key. */
    public static ConfigException of(String key, Object found, String expected) {
        return new ConfigException(key + ": found " + found + ", expected " + expected);
    }
}
