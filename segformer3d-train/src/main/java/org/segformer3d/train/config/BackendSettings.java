package org.segformer3d.train.config;

import java.util.Locale;
import java.util.Optional;
import org.segformer3d.api.backend.BackendOptions;
import org.segformer3d.api.config.ConfigException;
import org.segformer3d.api.tensor.DType;
import org.segformer3d.api.tensor.Device;

/**
 * What computes.
 *
 * @param name the backend's name, empty for the best one
 * @param options how it is opened
 */
public record BackendSettings(Optional<String> name, BackendOptions options) {
    static BackendSettings of(Values values) {
        Device device;
        try {
            device = Device.parse(values.text("backend.device"));
        } catch (IllegalArgumentException e) {
            throw ConfigException.of(
                    "backend.device", "'" + values.text("backend.device") + "'", "cpu, cuda or cuda:N");
        }
        return new BackendSettings(
                values.optionalText("backend.name"),
                new BackendOptions(
                        device,
                        DType.valueOf(values.text("backend.precision").toUpperCase(Locale.ROOT)),
                        values.integer("backend.threads"),
                        BackendOptions.Implementation.parse(values.text("backend.implementation"))));
    }
}
