package org.segformer3d.server.http;

import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;
import org.segformer3d.eval.result.Json;
import org.segformer3d.eval.result.Provenance;

/** The OpenAPI document, which a test compares with the routes there are. */
final class OpenApi {
    private OpenApi() {}

    /** Returns the document with this release's version. */
    static Map<String, Object> document() throws IOException {
        try (InputStream in = OpenApi.class.getResourceAsStream("openapi.json")) {
            if (in == null) {
                throw new FileNotFoundException("openapi.json isn't beside its class");
            }
            Map<String, Object> document = Json.parse(new String(in.readAllBytes(), StandardCharsets.UTF_8));
            Map<String, Object> info = new LinkedHashMap<>();
            ((Map<?, ?>) document.get("info")).forEach((key, value) -> info.put(key.toString(), value));
            info.put("version", Provenance.version());
            document.put("info", info);
            return document;
        }
    }
}
